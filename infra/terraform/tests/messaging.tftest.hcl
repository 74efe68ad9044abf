mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "44444444-4444-4444-4444-444444444444"
  entra_client_id = "55555555-5555-5555-5555-555555555555"
  environment     = "test"
  package_version = "1.2.3"
  alert_email     = "on-call@force.example"
  monthly_budget  = 20000
  budget_start    = "2026-12-01"
}

run "queues" {
  command = plan

  assert {
    condition     = toset(keys(azurerm_servicebus_queue.this)) == toset(["ingest", "segment", "expire", "reprocess"]) && toset(keys(azurerm_servicebus_topic.this)) == toset(["footage"]) && toset(keys(azurerm_servicebus_subscription.this)) == toset(["footage/metadata", "footage/digest", "footage/proxy", "footage/retention"])
    error_message = "the entities are not those that the stages use"
  }
  assert {
    condition     = alltrue([for e in concat(values(azurerm_servicebus_queue.this), values(azurerm_servicebus_subscription.this)) : e.max_delivery_count == 10])
    error_message = "a message is given up sooner or later than after ten deliveries"
  }
  assert {
    condition     = alltrue([for e in concat(values(azurerm_servicebus_queue.this), values(azurerm_servicebus_subscription.this)) : contains(["PT1M", "PT5M"], e.lock_duration)])
    error_message = "a lock is longer than Azure's five minutes, or too short"
  }
  assert {
    condition = alltrue([for e in [azurerm_servicebus_queue.this["segment"], azurerm_servicebus_subscription.this["footage/metadata"],
    azurerm_servicebus_subscription.this["footage/digest"], azurerm_servicebus_subscription.this["footage/proxy"]] : e.lock_duration == "PT5M"])
    error_message = "a stage that reads recordings would lose its message to a hiccup of one minute"
  }
  assert {
    condition     = alltrue([for e in concat(values(azurerm_servicebus_queue.this), values(azurerm_servicebus_subscription.this)) : e.dead_lettering_on_message_expiration]) && alltrue([for s in azurerm_servicebus_subscription.this : s.dead_lettering_on_filter_evaluation_error])
    error_message = "a message could vanish without a dead letter"
  }
  assert {
    condition     = alltrue([for e in concat(values(azurerm_servicebus_queue.this), values(azurerm_servicebus_topic.this)) : !e.requires_duplicate_detection && !e.express_enabled])
    error_message = "messages that were sent again on purpose would be swallowed, or kept in memory only"
  }
  assert {
    condition     = azurerm_servicebus_queue.this["expire"].max_size_in_megabytes >= 2 * 2700000 * 1100 / 1000000 && azurerm_servicebus_queue.this["expire"].default_message_ttl == "P400D"
    error_message = "2.7 million pending disposals do not fit, or die before they are due"
  }
  assert {
    condition     = azurerm_servicebus_queue.this["segment"].max_size_in_megabytes >= 3 * 1300000 * 1100 / 1000000
    error_message = "the chunks of three days do not fit: while media stands still proxy would fail, too"
  }
  assert {
    condition     = azurerm_servicebus_namespace.this.sku == "Premium" && azurerm_servicebus_namespace.this.capacity == 1 && azurerm_servicebus_namespace.this.premium_messaging_partitions == 1
    error_message = "not Service Bus Premium"
  }
}

run "filters" {
  command = plan

  assert {
    condition = { for key, r in azurerm_servicebus_subscription_rule.this : key => r.correlation_filter[0].label } == {
      "footage/metadata/received"  = "received", "footage/metadata/metadata" = "metadata"
      "footage/digest/received"    = "received", "footage/digest/digest" = "digest"
      "footage/proxy/received"     = "received", "footage/proxy/proxy" = "proxy"
      "footage/retention/received" = "received", "footage/retention/retention" = "retention"
    }
    error_message = "a stage gets messages that are not its own"
  }
  assert {
    condition     = alltrue([for r in azurerm_servicebus_subscription_rule.this : r.filter_type == "CorrelationFilter"])
    error_message = "a rule is not a correlation filter"
  }
}

run "standard_for_dev" {
  command = plan
  variables {
    environment    = "dev"
    servicebus_sku = "Standard"
  }
  assert {
    condition     = alltrue([for q in azurerm_servicebus_queue.this : q.partitioning_enabled && q.max_size_in_megabytes == 5120]) && azurerm_servicebus_namespace.this.capacity == 0 && !contains(keys(azurerm_private_endpoint.this), "servicebus")
    error_message = "Standard needs partitioned entities to hold the pending disposals"
  }
}

run "uploads_start_the_pipeline_and_renditions_never_do" {
  command = plan

  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].subject_filter[0].subject_begins_with == "/blobServices/default/containers/footage/blobs/"
    error_message = "events of another container reach ingest: a rendition would be processed for ever"
  }
  assert {
    condition     = tolist(azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].included_event_types) == tolist(["Microsoft.Storage.BlobCreated"]) && toset(one(azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].advanced_filter[0].string_in).values) == toset(["PutBlob", "PutBlockList", "CopyBlob"])
    error_message = "incomplete uploads, or other events, reach ingest"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].service_bus_queue_id == azurerm_servicebus_queue.this["ingest"].id && azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].event_delivery_schema == "EventGridSchema"
    error_message = "events do not go to the queue ingest in the form that it decodes"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].delivery_identity[0].type == "UserAssigned" && azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].dead_letter_identity[0].type == "UserAssigned"
    error_message = "Event Grid does not use its managed identity"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].storage_blob_dead_letter_destination[0].storage_blob_container_name == "eventgrid-dead-letter" && azurerm_eventgrid_system_topic_event_subscription.this["footage-to-ingest"].retry_policy[0].max_delivery_attempts == 30
    error_message = "an event that cannot be delivered is lost"
  }
}

run "ledger" {
  command = plan

  assert {
    condition     = azurerm_cosmosdb_sql_container.this["evidence"].partition_key_paths == tolist(["/shard"]) && azurerm_cosmosdb_sql_container.this["evidence"].default_ttl == null && azurerm_cosmosdb_sql_database.this.name == "bwv"
    error_message = "the ledger has another partition key, or records that vanish by themselves"
  }
  assert {
    condition = [for i in azurerm_cosmosdb_sql_container.this["evidence"].indexing_policy[0].composite_index : [for p in i.index : "${p.path} ${p.order}"]] == [
      ["/sort/created Descending", "/id Descending"],
    ]
    error_message = "listings need the composite index"
  }
  assert {
    condition     = azurerm_cosmosdb_sql_container.this["evidence"].autoscale_settings[0].max_throughput == 10000
    error_message = "the ledger does not scale"
  }
}
