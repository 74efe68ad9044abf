resource "azurerm_cosmosdb_account" "this" {
  name                                  = local.names.cosmos
  resource_group_name                   = azurerm_resource_group.this.name
  location                              = var.location
  offer_type                            = "Standard"
  kind                                  = "GlobalDocumentDB"
  local_authentication_enabled          = false
  access_key_metadata_writes_enabled    = false
  public_network_access_enabled         = false
  network_acl_bypass_for_azure_services = false
  automatic_failover_enabled            = true
  multiple_write_locations_enabled      = false # two writers could flag and erase the same recording
  minimal_tls_version                   = "Tls12"
  free_tier_enabled                     = false
  key_vault_key_id                      = var.customer_managed_key ? azurerm_key_vault_key.evidence[0].versionless_id : null
  default_identity_type                 = var.customer_managed_key ? "UserAssignedIdentity=${azurerm_user_assigned_identity.this["keys"].id}" : null
  tags                                  = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["keys"].id]
  }

  # A flag that was acknowledged must outlive the region: docs/adr/0012.
  consistency_policy {
    consistency_level = local.azure.consistency
  }

  geo_location {
    location          = var.location
    failover_priority = 0
    zone_redundant    = local.zonal
  }

  geo_location {
    location          = var.secondary_location
    failover_priority = 1
    zone_redundant    = local.azure.regions[var.secondary_location].zones
  }

  backup {
    type = "Continuous"
    tier = "Continuous30Days"
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [azurerm_role_assignment.keys]
}

resource "azurerm_cosmosdb_sql_database" "this" {
  name                = local.cosmos.database
  resource_group_name = azurerm_resource_group.this.name
  account_name        = azurerm_cosmosdb_account.this.name

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_cosmosdb_sql_container" "this" {
  for_each              = { for c in local.cosmos.containers : c.name => c }
  name                  = each.key
  resource_group_name   = azurerm_resource_group.this.name
  account_name          = azurerm_cosmosdb_account.this.name
  database_name         = azurerm_cosmosdb_sql_database.this.name
  partition_key_paths   = flatten([each.value.partitionKey])
  partition_key_version = 2
  default_ttl           = try(each.value.defaultTtl, null) # none: with it off, not even a property `ttl` makes a custody entry vanish

  autoscale_settings {
    max_throughput = var.ledger_throughput
  }

  indexing_policy {
    indexing_mode = each.value.indexingPolicy.indexingMode

    dynamic "included_path" {
      for_each = each.value.indexingPolicy.includedPaths
      content {
        path = included_path.value.path
      }
    }

    dynamic "excluded_path" {
      for_each = each.value.indexingPolicy.excludedPaths
      content {
        path = excluded_path.value.path
      }
    }

    dynamic "composite_index" {
      for_each = each.value.indexingPolicy.compositeIndexes
      content {
        dynamic "index" {
          for_each = composite_index.value
          content {
            path  = index.value.path
            order = title(index.value.order)
          }
        }
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Data-plane roles without items/delete: no identity of the system can take a record or a custody entry away.
resource "azurerm_cosmosdb_sql_role_definition" "this" {
  for_each            = local.roles.ledger
  name                = "bwv-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  account_name        = azurerm_cosmosdb_account.this.name
  type                = "CustomRole"
  assignable_scopes   = [azurerm_cosmosdb_account.this.id]

  permissions {
    data_actions = each.value
  }
}

resource "azurerm_cosmosdb_sql_role_assignment" "this" {
  for_each            = { for name, identity in local.roles.identities : name => identity.ledger if can(identity.ledger) }
  resource_group_name = azurerm_resource_group.this.name
  account_name        = azurerm_cosmosdb_account.this.name
  role_definition_id  = azurerm_cosmosdb_sql_role_definition.this[each.value].id
  principal_id        = azurerm_user_assigned_identity.this[each.key].principal_id
  scope               = "${azurerm_cosmosdb_account.this.id}/dbs/${azurerm_cosmosdb_sql_database.this.name}/colls/${local.cosmos.containers[0].name}"
}
