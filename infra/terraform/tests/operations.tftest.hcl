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

run "uk_only" {
  command = plan

  assert {
    condition     = alltrue([for l in azurerm_cosmosdb_account.this.geo_location : contains(["uksouth", "ukwest"], l.location)]) && length(azurerm_cosmosdb_account.this.geo_location) == 2
    error_message = "the ledger leaves the United Kingdom, or has one copy"
  }
  assert {
    condition = alltrue([for location in concat(
      [azurerm_resource_group.this.location, azurerm_storage_account.evidence.location, azurerm_storage_account.packages.location, azurerm_cosmosdb_account.this.location,
        azurerm_servicebus_namespace.this.location, azurerm_eventgrid_system_topic.evidence.location, azurerm_container_registry.this.location,
      azurerm_log_analytics_workspace.this.location, azurerm_application_insights.this.location, azurerm_application_insights_workbook.this.location, azurerm_virtual_network.this.location],
      [for a in azurerm_storage_account.host : a.location], [for a in azurerm_linux_function_app.this : a.location], [for p in azurerm_service_plan.this : p.location],
      [for i in azurerm_user_assigned_identity.this : i.location], [for e in azurerm_private_endpoint.this : e.location], [for a in azurerm_monitor_scheduled_query_rules_alert_v2.this : a.location],
    ) : contains(["uksouth", "ukwest"], location)])
    error_message = "a resource, its logs or its alerts lie outside the United Kingdom"
  }
  assert {
    condition     = contains(["GZRS", "GRS"], azurerm_storage_account.evidence.account_replication_type) && alltrue([for a in concat([azurerm_storage_account.packages], values(azurerm_storage_account.host)) : contains(["LRS", "ZRS"], a.account_replication_type)])
    error_message = "footage has no second UK copy, or a readable one"
  }
  assert {
    condition     = !can(azurerm_container_registry.this.georeplications[0])
    error_message = "the image is copied to another region"
  }
  assert {
    condition     = azurerm_resource_group.this.tags["data-residency"] == "uk"
    error_message = "the force cannot show where its data is"
  }
}

run "ukwest_after_a_failover" {
  command = plan
  variables {
    location           = "ukwest"
    secondary_location = "uksouth"
  }
  assert {
    condition     = azurerm_storage_account.evidence.account_replication_type == "GRS" && azurerm_storage_account.packages.account_replication_type == "LRS" && !azurerm_container_registry.this.zone_redundancy_enabled && alltrue([for l in azurerm_cosmosdb_account.this.geo_location : l.zone_redundant == (l.location == "uksouth")])
    error_message = "ukwest has no availability zones"
  }
}

run "what_is_kept_reaches_the_handler" {
  command = plan
  variables {
    retention_days     = 60
    disposal_paused    = true
    disposals_per_hour = 500
  }
  assert {
    condition     = alltrue([for s in values(output.settings) : s["RETENTION_KEEP"] == "60d" && s["RETENTION_PAUSED"] == "true" && s["RETENTION_PER_HOUR"] == "500"])
    error_message = "the handler keeps for another time than the variable says"
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.originals.immutability_period_in_days == 59 && one([for r in azurerm_storage_management_policy.evidence.rule : r.actions[0].version[0].delete_after_days_since_creation if r.name == "originals"]) == 60
    error_message = "the store protects for another time than the handler keeps"
  }
}

run "locks" {
  command = plan

  assert {
    condition     = toset(keys(azurerm_management_lock.this)) == toset(["evidence", "ledger", "servicebus", "logs"]) && alltrue([for l in azurerm_management_lock.this : l.lock_level == "CanNotDelete"])
    error_message = "evidence can be deleted by a slip of the hand"
  }
}

run "everything_is_watched" {
  command = plan

  assert {
    condition = toset(keys(azurerm_monitor_diagnostic_setting.this)) == toset(["blob-evidence", "blob-packages", "blob-web-host", "blob-media-host", "blob-keeper-host",
    "app-web", "app-media", "app-keeper", "servicebus", "ledger", "eventgrid", "registry", "logs"])
    error_message = "a resource has no diagnostic setting"
  }
  assert {
    condition     = alltrue([for d in azurerm_monitor_diagnostic_setting.this : alltrue([for l in d.enabled_log : l.category_group == "allLogs"]) && length(d.enabled_log) == 1 && length(d.enabled_metric) == 1])
    error_message = "a diagnostic setting leaves logs out"
  }
  assert {
    condition     = toset(keys(azurerm_monitor_scheduled_query_rules_alert_v2.this)) == toset(["ingest", "metadata", "digest", "proxy", "segment", "retention", "expire", "reprocess", "reconcile", "disposal-lag", "breaker", "paused", "mismatch", "custody", "failures", "tampering"])
    error_message = "a failure path has no alert"
  }
  assert {
    condition     = toset(keys(azurerm_monitor_metric_alert.this)) == toset(["dead-letters", "stuck", "backlog", "capacity", "event-grid", "health", "ledger"]) && length(azurerm_monitor_activity_log_alert.this) == 4
    error_message = "a failure path has no alert"
  }
  assert {
    condition     = alltrue([for a in azurerm_monitor_scheduled_query_rules_alert_v2.this : a.enabled && try(length(a.action[0].action_groups), 0) == 1]) && alltrue([for a in azurerm_monitor_metric_alert.this : a.enabled && length(a.action) == 1]) && alltrue([for a in azurerm_monitor_activity_log_alert.this : a.enabled && length(a.action) == 1])
    error_message = "an alert reaches nobody"
  }
  assert {
    condition     = azurerm_monitor_metric_alert.this["dead-letters"].criteria[0].threshold == 0 && azurerm_monitor_metric_alert.this["dead-letters"].criteria[0].metric_name == "DeadletteredMessages" && azurerm_monitor_metric_alert.this["event-grid"].criteria[0].metric_name == "DeadLetteredCount" && azurerm_monitor_metric_alert.this["event-grid"].criteria[0].threshold == 0
    error_message = "dead letters do not alert at the first"
  }
  assert {
    condition = { for name, a in azurerm_monitor_metric_alert.this : name => [for d in a.criteria[0].dimension : "${d.name} ${d.operator} ${join(" ", d.values)}"] if length(a.criteria[0].dimension) > 0 } == {
      dead-letters = ["EntityName Include *"], stuck = ["EntityName Exclude segment"], backlog = ["EntityName Include segment"]
      capacity     = ["EntityName Include *"], ledger = ["StatusCode Include 429"]
    }
    error_message = "an alert watches other queues than it says"
  }
  assert {
    condition     = azurerm_monitor_metric_alert.this["backlog"].window_size == "P1D" && azurerm_monitor_metric_alert.this["stuck"].window_size == "PT1H"
    error_message = "the evening's chunks would alert every day, or a stage that stands still only tomorrow"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["tampering"].criteria[0].query, "22222222-2222-2222-2222-222222222222") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["tampering"].criteria[0].query, "stbwvtestuksev")
    error_message = "the tampering alert does not know keeper or the account"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["expire"].criteria[0].query, "toint(line.delivery) >= 10")
    error_message = "a stage's alert comes before or after its last delivery"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["digest"].criteria[0].query, "line['function']) == 'digest'") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["mismatch"].criteria[0].query, "== 'digest.mismatch'")
    error_message = "the stage digest and a digest that does not match are taken for each other"
  }
  assert {
    condition     = azurerm_consumption_budget_resource_group.this["budget"].amount == 20000 && azurerm_monitor_action_group.on_call.email_receiver[0].email_address == "on-call@force.example"
    error_message = "nobody hears of the bill"
  }
  assert {
    condition     = length(jsondecode(azurerm_application_insights_workbook.this.data_json).items) == 5 && azurerm_application_insights.this.sampling_percentage == 100 && alltrue([for s in values(output.settings) : s["AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__isEnabled"] == "false"])
    error_message = "lines that alerts hang on are sampled away"
  }
}

run "prod" {
  command = plan
  variables {
    environment          = "prod"
    plan_sku             = { web = "EP1", media = "EP3", keeper = "EP1" }
    instances_most       = { web = 10, media = 100, keeper = 5 }
    ledger_throughput    = 20000
    immutability_locked  = true
    customer_managed_key = true
    hub_network_id       = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.originals.locked && alltrue([for p in azurerm_storage_container_immutability_policy.records : p.locked])
    error_message = "write-once is not locked"
  }
  assert {
    condition     = alltrue([for p in azurerm_service_plan.this : p.zone_balancing_enabled && p.worker_count == 3]) && azurerm_service_plan.this["media"].maximum_elastic_worker_count == 100
    error_message = "a zone of uksouth could take an app with it"
  }
  assert {
    condition     = length(azurerm_virtual_network_peering.hub) == 1 && toset(keys(azurerm_private_dns_zone_virtual_network_link.hub)) == toset(keys(azurerm_private_dns_zone.this))
    error_message = "docks and officers do not find the private names"
  }
}
