resource "azurerm_eventgrid_system_topic" "evidence" {
  name                = local.names.system_topic
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  source_resource_id  = azurerm_storage_account.evidence.id
  topic_type          = "Microsoft.Storage.StorageAccounts"
  tags                = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["events"].id]
  }
}

# Only what is complete, and only originals: a rendition that came back as an event would be processed for ever.
resource "azurerm_eventgrid_system_topic_event_subscription" "this" {
  for_each              = { for s in local.storage.eventSubscriptions : s.name => s }
  name                  = each.key
  system_topic          = azurerm_eventgrid_system_topic.evidence.name
  resource_group_name   = azurerm_resource_group.this.name
  event_delivery_schema = "EventGridSchema" # what the stage ingest decodes
  service_bus_queue_id  = azurerm_servicebus_queue.this[each.value.queue].id
  included_event_types  = [each.value.eventType]

  subject_filter {
    subject_begins_with = "/blobServices/default/containers/${each.value.container}/blobs/"
    case_sensitive      = true
  }

  advanced_filter {
    string_in {
      key    = "data.api"
      values = each.value.apis
    }
  }

  delivery_identity {
    type                   = "UserAssigned"
    user_assigned_identity = azurerm_user_assigned_identity.this["events"].id
  }

  dead_letter_identity {
    type                   = "UserAssigned"
    user_assigned_identity = azurerm_user_assigned_identity.this["events"].id
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.evidence.id
    storage_blob_container_name = azurerm_storage_container.this["eventgrid-dead-letter"].name
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440 # minutes; what is lost after a day, reconcile finds by its blob
  }

  depends_on = [azurerm_role_assignment.this]
}
