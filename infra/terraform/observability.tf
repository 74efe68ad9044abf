resource "azurerm_log_analytics_workspace" "this" {
  name                         = local.names.logs
  resource_group_name          = azurerm_resource_group.this.name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = 365
  local_authentication_enabled = false
  tags                         = local.tags

  lifecycle {
    prevent_destroy = true # who did what to the stores
  }
}

resource "azurerm_application_insights" "this" {
  name                         = local.names.insights
  resource_group_name          = azurerm_resource_group.this.name
  location                     = var.location
  workspace_id                 = azurerm_log_analytics_workspace.this.id
  application_type             = "web"
  local_authentication_enabled = false
  sampling_percentage          = 100 # alerts hang on single lines
  ip_masking_enabled           = true
  tags                         = local.tags
}

locals {
  blob_services = merge(
    { evidence = azurerm_storage_account.evidence.id, packages = azurerm_storage_account.packages.id },
    { for zone, account in azurerm_storage_account.host : "${zone}-host" => account.id },
  )

  diagnosed = merge(
    { for name, id in local.blob_services : "blob-${name}" => "${id}/blobServices/default" },
    { for zone, id in local.app_ids : "app-${zone}" => id },
    {
      servicebus = azurerm_servicebus_namespace.this.id
      ledger     = azurerm_cosmosdb_account.this.id
      eventgrid  = azurerm_eventgrid_system_topic.evidence.id
      registry   = azurerm_container_registry.this.id
      logs       = azurerm_log_analytics_workspace.this.id
    },
    var.customer_managed_key ? { vault = azurerm_key_vault.this[0].id } : {},
  )
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each                   = local.diagnosed
  name                       = "to-logs"
  target_resource_id         = each.value
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

locals {
  # title => query: the pages of the workbook.
  charts = {
    "What the stages did"               = "AppTraces | extend line = parse_json(Message) | where tostring(line.msg) startswith 'invocation.' | summarize count() by bin(TimeGenerated, 15m), strcat(line['function'], ' ', line.msg, ' ', line.outcome)"
    "How long the stages took (95th %)" = "AppTraces | extend line = parse_json(Message) | where tostring(line.msg) startswith 'invocation.' | summarize percentile(toint(line.milliseconds), 95) by bin(TimeGenerated, 15m), tostring(line['function'])"
    "Disposals"                         = "AppTraces | extend line = parse_json(Message) | where tostring(line['function']) == 'expire' | summarize count() by bin(TimeGenerated, 1h), tostring(line.outcome)"
    "What reconcile found"              = "AppTraces | extend line = parse_json(Message) | where tostring(line.msg) == 'reconcile.report' | project TimeGenerated, overdue = toint(line.overdue), unscheduled = toint(line.unscheduled), unsent = toint(line.unsent), uncancelled = toint(line.uncancelled), halfErased = toint(line['half-erased']), uncatalogued = toint(line.uncatalogued)"
    "Who deleted what from the store"   = "StorageBlobLogs | where OperationName startswith 'Delete' | summarize count() by bin(TimeGenerated, 1d), OperationName, RequesterObjectId"
  }
}

resource "azurerm_application_insights_workbook" "this" {
  name                = uuidv5("url", "https://bwv/${local.suffix}/dashboard")
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  display_name        = "Footage pipeline ${local.suffix}"
  source_id           = lower(azurerm_log_analytics_workspace.this.id)
  tags                = local.tags

  data_json = jsonencode({
    version = "Notebook/1.0"
    items = [for title, query in local.charts : {
      type = 3
      name = title
      content = {
        version       = "KqlItem/1.0"
        title         = title
        query         = query
        size          = 0
        queryType     = 0
        resourceType  = "microsoft.operationalinsights/workspaces"
        visualization = "timechart"
        timeContext   = { durationMs = 604800000 }
      }
    }]
  })
}
