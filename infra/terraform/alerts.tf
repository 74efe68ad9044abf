# Every alert of infra/alerts.json has a runbook of its name in docs/runbooks; a Go test holds that.
resource "azurerm_monitor_action_group" "on_call" {
  name                = local.names.on_call
  resource_group_name = azurerm_resource_group.this.name
  short_name          = "bwv-oncall"
  tags                = local.tags

  email_receiver {
    name                    = "on-call"
    email_address           = var.alert_email
    use_common_alert_schema = true
  }
}

locals {
  watched = {
    servicebus = azurerm_servicebus_namespace.this.id
    eventgrid  = azurerm_eventgrid_system_topic.evidence.id
    ledger     = azurerm_cosmosdb_account.this.id
    web        = local.app_ids.web
  }

  # After how many deliveries a stage's message becomes a dead letter.
  deliveries = merge(
    { for name, q in local.queues : name => q.MaxDeliveryCount },
    { for s in values(local.subscriptions) : s.name => s.MaxDeliveryCount },
  )

  stage_alerts = { for stage, alert in local.alerts.stages : stage => {
    severity    = alert.severity
    every       = "PT5M"
    window      = "PT15M"
    operator    = "GreaterThan"
    threshold   = 0
    description = "The stage ${stage} gave a message up after ${local.deliveries[stage]} deliveries."
    measure     = "givenUp"
    query       = "AppTraces | extend line = parse_json(Message) | where tostring(line.msg) == 'invocation.failed' and tostring(line['function']) == '${stage}' and toint(line.delivery) >= ${local.deliveries[stage]} | summarize givenUp = count()"
  } }

  log_alerts = merge(local.stage_alerts, { for name, alert in local.alerts.logs : name => merge(alert, {
    query = replace(replace(alert.query, "{account}", local.names.evidence), "{keeper}", azurerm_user_assigned_identity.this["keeper"].principal_id)
  }) })
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each                = local.log_alerts
  name                    = each.key
  display_name            = "${local.suffix} ${each.key}"
  resource_group_name     = azurerm_resource_group.this.name
  location                = var.location
  description             = "${each.value.description} Runbook: docs/runbooks/${each.key}.md"
  severity                = each.value.severity
  scopes                  = [azurerm_log_analytics_workspace.this.id]
  evaluation_frequency    = each.value.every
  window_duration         = each.value.window
  auto_mitigation_enabled = true
  skip_query_validation   = true # the tables come with the first lines
  enabled                 = true
  tags                    = local.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Maximum"
    metric_measure_column   = each.value.measure
    operator                = each.value.operator
    threshold               = each.value.threshold

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups     = [azurerm_monitor_action_group.on_call.id]
    custom_properties = { runbook = "docs/runbooks/${each.key}.md" }
  }
}

resource "azurerm_monitor_metric_alert" "this" {
  for_each            = local.alerts.metrics
  name                = each.key
  resource_group_name = azurerm_resource_group.this.name
  scopes              = [local.watched[each.value.on]]
  description         = "${each.value.description} Runbook: docs/runbooks/${each.key}.md"
  severity            = each.value.severity
  frequency           = each.value.every
  window_size         = each.value.window
  enabled             = true
  tags                = local.tags

  criteria {
    metric_namespace = each.value.namespace
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = each.value.operator
    threshold        = each.value.threshold

    dynamic "dimension" {
      for_each = can(each.value.dimension) ? [each.value.dimension] : []
      content {
        name     = dimension.value.name
        operator = try(dimension.value.operator, "Include")
        values   = [dimension.value.value]
      }
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.on_call.id
  }
}

locals {
  activities = merge([for name, alert in local.alerts.activities : {
    for operation in alert.operations : "${name}-${replace(lower(trimprefix(operation, "Microsoft.")), "/", "-")}" => { alert = name, operation = operation, description = alert.description }
  }]...)
}

resource "azurerm_monitor_activity_log_alert" "this" {
  for_each            = local.activities
  name                = each.key
  resource_group_name = azurerm_resource_group.this.name
  location            = "global"
  scopes              = [azurerm_resource_group.this.id]
  description         = "${each.value.description} Runbook: docs/runbooks/${each.value.alert}.md"
  enabled             = true
  tags                = local.tags

  criteria {
    category       = "Administrative"
    operation_name = each.value.operation
  }

  action {
    action_group_id = azurerm_monitor_action_group.on_call.id
  }
}

resource "azurerm_consumption_budget_resource_group" "this" {
  for_each          = local.alerts.budgets
  name              = "${each.key}-${local.suffix}"
  resource_group_id = azurerm_resource_group.this.id
  amount            = var.monthly_budget
  time_grain        = "Monthly"

  time_period {
    start_date = "${var.budget_start}T00:00:00Z"
  }

  dynamic "notification" {
    for_each = { 80 = "Forecasted", 100 = "Actual" }
    content {
      enabled        = true
      threshold      = notification.key
      threshold_type = notification.value
      operator       = "GreaterThan"
      contact_emails = [var.alert_email]
      contact_groups = [azurerm_monitor_action_group.on_call.id]
    }
  }
}
