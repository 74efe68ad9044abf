resource "azurerm_servicebus_namespace" "this" {
  name                          = local.names.servicebus
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  sku                           = var.servicebus_sku
  capacity                      = local.premium_bus ? var.servicebus_units : 0
  premium_messaging_partitions  = local.premium_bus ? 1 : 0
  local_auth_enabled            = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = !local.premium_bus
  tags                          = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["keys"].id]
  }

  dynamic "network_rule_set" {
    for_each = local.premium_bus ? [1] : []
    content {
      default_action                = "Deny"
      public_network_access_enabled = false
      trusted_services_allowed      = true # Event Grid delivers with its managed identity
    }
  }

  dynamic "customer_managed_key" {
    for_each = var.customer_managed_key && local.premium_bus ? [1] : []
    content {
      key_vault_key_id                  = azurerm_key_vault_key.evidence[0].versionless_id
      identity_id                       = azurerm_user_assigned_identity.this["keys"].id
      infrastructure_encryption_enabled = true
    }
  }

  lifecycle {
    prevent_destroy = true # holds the pending disposals
  }

  depends_on = [azurerm_role_assignment.keys]
}

resource "azurerm_servicebus_queue" "this" {
  for_each                                = local.queues
  name                                    = each.key
  namespace_id                            = azurerm_servicebus_namespace.this.id
  lock_duration                           = each.value.LockDuration
  max_delivery_count                      = each.value.MaxDeliveryCount
  default_message_ttl                     = each.value.DefaultMessageTimeToLive
  dead_lettering_on_message_expiration    = each.value.DeadLetteringOnMessageExpiration
  requires_duplicate_detection            = each.value.RequiresDuplicateDetection
  duplicate_detection_history_time_window = each.value.DuplicateDetectionHistoryTimeWindow
  requires_session                        = each.value.RequiresSession
  forward_to                              = each.value.ForwardTo == "" ? null : each.value.ForwardTo
  forward_dead_lettered_messages_to       = each.value.ForwardDeadLetteredMessagesTo == "" ? null : each.value.ForwardDeadLetteredMessagesTo
  max_size_in_megabytes                   = local.premium_bus ? local.azure.entities[each.key].maxSizeMegabytes : 5120 # Standard: times 16 partitions
  partitioning_enabled                    = !local.premium_bus
  batched_operations_enabled              = true
  express_enabled                         = false

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_servicebus_topic" "this" {
  for_each                                = local.topics
  name                                    = each.key
  namespace_id                            = azurerm_servicebus_namespace.this.id
  default_message_ttl                     = each.value.DefaultMessageTimeToLive
  requires_duplicate_detection            = each.value.RequiresDuplicateDetection
  duplicate_detection_history_time_window = each.value.DuplicateDetectionHistoryTimeWindow
  max_size_in_megabytes                   = local.premium_bus ? local.azure.entities[each.key].maxSizeMegabytes : 5120
  partitioning_enabled                    = !local.premium_bus
  batched_operations_enabled              = true
  express_enabled                         = false
}

resource "azurerm_servicebus_subscription" "this" {
  for_each                                  = local.subscriptions
  name                                      = each.value.name
  topic_id                                  = azurerm_servicebus_topic.this[each.value.topic].id
  lock_duration                             = each.value.LockDuration
  max_delivery_count                        = each.value.MaxDeliveryCount
  default_message_ttl                       = each.value.DefaultMessageTimeToLive
  dead_lettering_on_message_expiration      = each.value.DeadLetteringOnMessageExpiration
  dead_lettering_on_filter_evaluation_error = true
  requires_session                          = each.value.RequiresSession
  forward_to                                = each.value.ForwardTo == "" ? null : each.value.ForwardTo
  forward_dead_lettered_messages_to         = each.value.ForwardDeadLetteredMessagesTo == "" ? null : each.value.ForwardDeadLetteredMessagesTo
  batched_operations_enabled                = true
}

# The rule $Default of a new subscription, which matches everything, goes by a feature of the provider: see versions.tf.
resource "azurerm_servicebus_subscription_rule" "this" {
  for_each        = local.rules
  name            = each.value.name
  subscription_id = azurerm_servicebus_subscription.this[each.value.subscription].id
  filter_type     = "${each.value.filter}Filter"

  correlation_filter {
    label = each.value.label
  }
}
