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

run "storage" {
  command = plan

  assert {
    condition = alltrue([for a in concat([azurerm_storage_account.evidence, azurerm_storage_account.packages], values(azurerm_storage_account.host)) :
      !a.shared_access_key_enabled && !a.public_network_access_enabled && !a.allow_nested_items_to_be_public && !a.local_user_enabled
      && !a.cross_tenant_replication_enabled && a.default_to_oauth_authentication && a.network_rules[0].default_action == "Deny"
    ])
    error_message = "a storage account has shared keys, local users or a public endpoint"
  }
  assert {
    condition = alltrue([for a in concat([azurerm_storage_account.evidence, azurerm_storage_account.packages], values(azurerm_storage_account.host)) :
      a.min_tls_version == "TLS1_2" && a.https_traffic_only_enabled
    ])
    error_message = "a storage account takes less than TLS 1.2"
  }
  assert {
    condition     = azurerm_storage_account.evidence.infrastructure_encryption_enabled && azurerm_storage_account.evidence.allowed_copy_scope == "PrivateLink"
    error_message = "evidence is not encrypted twice, or may be copied out"
  }
  assert {
    condition     = alltrue([for c in concat(values(azurerm_storage_container.this), [azurerm_storage_container.packages]) : c.container_access_type == "private"])
    error_message = "a container is public"
  }
  assert {
    condition     = toset(keys(azurerm_storage_container.this)) == toset(["footage", "renditions", "eventgrid-dead-letter", "inventory", "custody"])
    error_message = "the containers are not those that the stages use"
  }
  assert {
    condition = (length(azurerm_storage_account.evidence.blob_properties[0].cors_rule) == 1
      && tolist(azurerm_storage_account.evidence.blob_properties[0].cors_rule[0].allowed_origins) == tolist([output.PORTAL_URL])
    && toset(azurerm_storage_account.evidence.blob_properties[0].cors_rule[0].allowed_methods) == toset(["GET", "HEAD", "OPTIONS"]))
    error_message = "pages other than the portal's may read the store, or the portal's may write"
  }
  assert {
    condition     = azurerm_storage_account.evidence.sas_policy[0].expiration_period == "00.01:00:00"
    error_message = "links may live for more than an hour"
  }
}

run "write_once" {
  command = plan

  assert {
    condition     = azurerm_storage_account.evidence.blob_properties[0].versioning_enabled && length(azurerm_storage_account.evidence.immutability_policy) == 1
    error_message = "originals have no versions or no version-level immutability"
  }
  assert {
    condition     = azurerm_storage_account.evidence.immutability_policy[0].state == "Disabled"
    error_message = "a default for the whole account would keep renditions from being erased with their original"
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.originals.immutability_period_in_days == 30 && !azurerm_storage_container_immutability_policy.originals.protected_append_writes_enabled
    error_message = "originals are not write-once up to the day before they are due"
  }
  assert {
    condition     = toset(keys(azurerm_storage_container_immutability_policy.records)) == toset(["inventory", "custody"]) && alltrue([for p in azurerm_storage_container_immutability_policy.records : p.immutability_period_in_days >= 2555])
    error_message = "inventory and custody are not write-once for seven years"
  }
  assert {
    condition     = azurerm_storage_account.evidence.blob_properties[0].change_feed_enabled && azurerm_storage_account.evidence.blob_properties[0].container_delete_retention_policy[0].days >= 1
    error_message = "no change feed, or a deleted container cannot be brought back"
  }
}

run "erasure_is_complete_in_bounded_time" {
  command = plan

  assert {
    condition = alltrue(flatten([for r in azurerm_storage_management_policy.evidence.rule : [for b in r.actions[0].base_blob :
      b.delete_after_days_since_modification_greater_than == null && b.delete_after_days_since_creation_greater_than == null && b.delete_after_days_since_last_access_time_greater_than == null
    ] if !contains(r.filters[0].prefix_match, "eventgrid-dead-letter/")]))
    error_message = "a lifecycle rule deletes current footage or renditions: only expire may"
  }
  assert {
    condition = alltrue([for r in azurerm_storage_management_policy.evidence.rule : r.enabled
    && (contains(r.filters[0].prefix_match, "eventgrid-dead-letter/") ? true : r.actions[0].version[0].delete_after_days_since_creation <= 31 && r.actions[0].snapshot[0].delete_after_days_since_creation_greater_than <= 31)])
    error_message = "previous versions of what was erased would stay"
  }
  assert {
    condition     = sort(flatten([for r in azurerm_storage_management_policy.evidence.rule : tolist(r.filters[0].prefix_match)])) == tolist(["eventgrid-dead-letter/", "footage/", "renditions/"])
    error_message = "lifecycle rules cover other blobs than they should"
  }
  assert {
    condition     = one([for r in azurerm_storage_management_policy.evidence.rule : r.actions[0].version[0].delete_after_days_since_creation if contains(r.filters[0].prefix_match, "footage/")]) > azurerm_storage_container_immutability_policy.originals.immutability_period_in_days
    error_message = "versions would be deleted before their write-once ends: the rule would fail"
  }
  assert {
    condition     = azurerm_storage_account.evidence.blob_properties[0].delete_retention_policy[0].days <= 14
    error_message = "erased footage could be brought back for more than two weeks"
  }
  assert {
    condition = (alltrue([for r in azurerm_storage_blob_inventory_policy.evidence.rules : r.filter[0].include_deleted && r.filter[0].include_blob_versions && r.schedule == "Daily"])
    && toset([for r in azurerm_storage_blob_inventory_policy.evidence.rules : r.name]) == toset(["footage", "renditions"]))
    error_message = "the inventory does not show versions and what was deleted"
  }
  assert {
    condition     = one([for r in azurerm_storage_management_policy.evidence.rule : r.actions[0].base_blob[0].tier_to_cool_after_days_since_modification_greater_than if r.name == "originals"]) == 1 && one([for r in azurerm_storage_management_policy.evidence.rule : r.actions[0].base_blob[0].tier_to_cold_after_days_since_modification_greater_than if r.name == "originals"]) == 120
    error_message = "originals do not cool"
  }
}

run "archive_when_asked_for" {
  command = plan
  variables {
    storage_replication = "GRS"
    archive_after_days  = 730
  }
  assert {
    condition     = one([for r in azurerm_storage_management_policy.evidence.rule : r.actions[0].base_blob[0].tier_to_archive_after_days_since_modification_greater_than if r.name == "originals"]) == 730
    error_message = "kept originals are not archived"
  }
}

run "databases_and_messages" {
  command = plan

  assert {
    condition     = !azurerm_servicebus_namespace.this.local_auth_enabled && !azurerm_servicebus_namespace.this.public_network_access_enabled && azurerm_servicebus_namespace.this.network_rule_set[0].default_action == "Deny" && !azurerm_servicebus_namespace.this.network_rule_set[0].public_network_access_enabled
    error_message = "Service Bus has keys or a public endpoint"
  }
  assert {
    condition     = azurerm_servicebus_namespace.this.minimum_tls_version == "1.2" && azurerm_cosmosdb_account.this.minimal_tls_version == "Tls12"
    error_message = "a service takes less than TLS 1.2"
  }
  assert {
    condition     = azurerm_servicebus_namespace.this.network_rule_set[0].trusted_services_allowed
    error_message = "Event Grid cannot deliver into the private namespace"
  }
  assert {
    condition     = !azurerm_cosmosdb_account.this.local_authentication_enabled && !azurerm_cosmosdb_account.this.public_network_access_enabled && !azurerm_cosmosdb_account.this.access_key_metadata_writes_enabled && !azurerm_cosmosdb_account.this.network_acl_bypass_for_azure_services
    error_message = "the ledger has keys or a public endpoint"
  }
  assert {
    condition     = azurerm_cosmosdb_account.this.backup[0].type == "Continuous" && azurerm_cosmosdb_account.this.backup[0].tier == "Continuous30Days"
    error_message = "the ledger cannot be restored to a point in time"
  }
  assert {
    condition     = azurerm_cosmosdb_account.this.consistency_policy[0].consistency_level == "Strong" && !azurerm_cosmosdb_account.this.multiple_write_locations_enabled
    error_message = "an acknowledged flag could be lost with the region"
  }
  assert {
    condition     = !azurerm_log_analytics_workspace.this.local_authentication_enabled && !azurerm_application_insights.this.local_authentication_enabled
    error_message = "logs can be written with a key"
  }
  assert {
    condition     = !azurerm_container_registry.this.admin_enabled && !azurerm_container_registry.this.anonymous_pull_enabled && !azurerm_container_registry.this.public_network_access_enabled && azurerm_container_registry.this.network_rule_set[0].default_action == "Deny"
    error_message = "the registry has a password or a public endpoint"
  }
}

run "apps" {
  command = plan

  assert {
    condition     = toset([for zone, app in azurerm_linux_function_app.this : zone if app.public_network_access_enabled]) == toset(["web"])
    error_message = "an app other than the portal has a public endpoint"
  }
  assert {
    condition     = alltrue([for app in azurerm_linux_function_app.this : app.https_only && app.site_config[0].minimum_tls_version == "1.2" && app.site_config[0].scm_minimum_tls_version == "1.2" && app.site_config[0].ftps_state == "Disabled"])
    error_message = "an app takes less than TLS 1.2, or FTP"
  }
  assert {
    condition     = alltrue([for app in azurerm_linux_function_app.this : !app.ftp_publish_basic_authentication_enabled && !app.webdeploy_publish_basic_authentication_enabled && app.storage_uses_managed_identity && app.storage_account_access_key == null && app.site_config[0].scm_ip_restriction_default_action == "Deny" && !app.site_config[0].remote_debugging_enabled])
    error_message = "an app can be published with a password, or uses a key"
  }
  assert {
    condition     = alltrue([for zone, app in azurerm_linux_function_app.this : app.site_config[0].ip_restriction_default_action == (zone == "web" ? "Allow" : "Deny") && app.site_config[0].vnet_route_all_enabled])
    error_message = "media or keeper take calls from outside, or traffic leaves past the network"
  }
  assert {
    condition = alltrue(flatten([for app in azurerm_linux_function_app.this : [for name, value in app.app_settings :
      !can(regex("(?i)(AccountKey=|SharedAccessKey|sig=|password|secret)", value)) && !contains(["SB", "FOOTAGE", "COSMOS", "AzureWebJobsStorage"], name)
    ]]))
    error_message = "an app setting holds a key"
  }
  assert {
    condition     = azurerm_linux_function_app.this["web"].auth_settings_v2[0].auth_enabled && azurerm_linux_function_app.this["web"].auth_settings_v2[0].require_authentication && azurerm_linux_function_app.this["web"].auth_settings_v2[0].require_https && contains(["RedirectToLoginPage", "Return401"], azurerm_linux_function_app.this["web"].auth_settings_v2[0].unauthenticated_action)
    error_message = "the portal lets people in who did not sign in"
  }
  assert {
    condition     = tolist(azurerm_linux_function_app.this["web"].auth_settings_v2[0].excluded_paths) == tolist(["/api/health"])
    error_message = "more than the health check is open to anybody"
  }
  assert {
    condition     = azurerm_linux_function_app.this["web"].auth_settings_v2[0].active_directory_v2[0].tenant_auth_endpoint == "https://login.microsoftonline.com/44444444-4444-4444-4444-444444444444/v2.0/"
    error_message = "people of other tenants may sign in"
  }
  assert {
    condition     = azurerm_linux_function_app.this["web"].app_settings["IDENTITY"] == "platform" && !contains(keys(azurerm_linux_function_app.this["keeper"].app_settings), "IDENTITY") && !contains(keys(azurerm_linux_function_app.this["media"].app_settings), "IDENTITY")
    error_message = "identities are believed where no sign-in is"
  }
  assert {
    condition     = azurerm_linux_function_app.this["media"].site_config[0].application_stack[0].docker[0].image_tag == "1.2.3" && azurerm_linux_function_app.this["media"].site_config[0].container_registry_use_managed_identity && alltrue([for zone in ["web", "keeper"] : azurerm_linux_function_app.this[zone].site_config[0].application_stack[0].use_custom_runtime && endswith(azurerm_linux_function_app.this[zone].app_settings["WEBSITE_RUN_FROM_PACKAGE"], "/packages/1.2.3.zip")])
    error_message = "an app runs another version than was asked for"
  }
  assert {
    condition     = alltrue([for name, p in azurerm_service_plan.this : contains(["EP1", "EP2", "EP3"], p.sku_name) && p.os_type == "Linux"]) && length(azurerm_service_plan.this) == 3
    error_message = "zones share a plan, or a plan stops long invocations"
  }
}

run "private_endpoints" {
  command = plan

  assert {
    condition = toset(keys(azurerm_private_endpoint.this)) == toset([
      "evidence-blob", "packages-blob", "servicebus", "ledger", "registry", "keeper-site", "media-site",
      "web-host-blob", "web-host-queue", "web-host-table", "media-host-blob", "media-host-queue", "media-host-table",
      "keeper-host-blob", "keeper-host-queue", "keeper-host-table",
    ])
    error_message = "a private endpoint is missing"
  }
  assert {
    condition     = toset(keys(azurerm_private_dns_zone_virtual_network_link.this)) == toset(keys(azurerm_private_dns_zone.this))
    error_message = "a private name does not resolve"
  }
  assert {
    condition     = length([for r in azurerm_network_security_group.zones.security_rule : r if r.direction == "Outbound" && r.access == "Deny" && r.destination_address_prefix == "*"]) == 1 && !anytrue([for r in azurerm_network_security_group.zones.security_rule : r.access == "Allow" && contains(["*", "Internet", "0.0.0.0/0"], r.destination_address_prefix)])
    error_message = "a zone can reach the internet"
  }
  assert {
    condition     = toset(keys(azurerm_subnet_network_security_group_association.zone)) == toset(["web", "media", "keeper"])
    error_message = "a zone's subnet has no rules"
  }
}

run "publishing_from_outside_opens_no_evidence" {
  command = plan
  variables {
    deployer_ip_ranges   = ["192.0.2.7"]
    customer_managed_key = true
  }
  assert {
    condition     = azurerm_storage_account.packages.public_network_access_enabled && !azurerm_storage_account.evidence.public_network_access_enabled && alltrue([for a in azurerm_storage_account.host : !a.public_network_access_enabled]) && !azurerm_cosmosdb_account.this.public_network_access_enabled && !azurerm_servicebus_namespace.this.public_network_access_enabled
    error_message = "the deployer's opening reaches more than packages, image and key"
  }
  assert {
    condition     = azurerm_storage_account.packages.network_rules[0].default_action == "Deny" && azurerm_container_registry.this.network_rule_set[0].default_action == "Deny" && azurerm_key_vault.this[0].network_acls[0].default_action == "Deny"
    error_message = "the opening is for everybody"
  }
}

run "customer_managed_key" {
  command = plan
  variables {
    customer_managed_key = true
  }
  assert {
    condition     = length(azurerm_storage_account.evidence.customer_managed_key) == 1 && azurerm_cosmosdb_account.this.key_vault_key_id != null && length(azurerm_servicebus_namespace.this.customer_managed_key) == 1
    error_message = "footage, ledger or messages do not use the force's key"
  }
  assert {
    condition     = azurerm_key_vault.this[0].purge_protection_enabled && azurerm_key_vault.this[0].rbac_authorization_enabled && !azurerm_key_vault.this[0].public_network_access_enabled && azurerm_key_vault.this[0].soft_delete_retention_days == 90
    error_message = "the key can be purged, or its vault is open"
  }
  assert {
    condition     = contains(keys(azurerm_private_endpoint.this), "vault") && contains(keys(azurerm_monitor_diagnostic_setting.this), "vault") && contains(keys(azurerm_management_lock.this), "vault")
    error_message = "the vault has no private endpoint, no logs or no lock"
  }
}

run "flex" {
  command = plan
  variables {
    hosting = "flex"
  }
  assert {
    condition     = toset(keys(azurerm_function_app_flex_consumption.this)) == toset(["web", "keeper"]) && toset(keys(azurerm_linux_function_app.this)) == toset(["media"])
    error_message = "with flex, media stays a container on Elastic Premium"
  }
  assert {
    condition     = alltrue([for zone, app in azurerm_function_app_flex_consumption.this : app.runtime_name == "custom" && app.https_only && app.site_config[0].minimum_tls_version == "1.2" && app.storage_authentication_type == "UserAssignedIdentity" && app.public_network_access_enabled == (zone == "web") && !contains(keys(app.app_settings), "FUNCTIONS_WORKER_RUNTIME")])
    error_message = "a flex app is open, has a key, or another runtime"
  }
  assert {
    condition     = azurerm_function_app_flex_consumption.this["web"].auth_settings_v2[0].require_authentication && length(azurerm_private_endpoint.this) == 16
    error_message = "flex lost the sign-in or an endpoint"
  }
}
