# The evidence account: originals, renditions, inventory, exported custody chains, and events that could not be delivered.
resource "azurerm_storage_account" "evidence" {
  name                              = local.names.evidence
  resource_group_name               = azurerm_resource_group.this.name
  location                          = var.location
  account_kind                      = "StorageV2"
  account_tier                      = "Standard"
  account_replication_type          = local.replication
  access_tier                       = "Hot"
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  allow_nested_items_to_be_public   = false
  public_network_access_enabled     = false
  cross_tenant_replication_enabled  = false
  local_user_enabled                = false
  sftp_enabled                      = false
  is_hns_enabled                    = false # versions and write-once need a flat namespace
  infrastructure_encryption_enabled = true
  allowed_copy_scope                = "PrivateLink"
  tags                              = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["keys"].id]
  }

  # Write-once for each version of a blob, by policies of the containers. Without a default here, since renditions are made anew.
  immutability_policy {
    state                         = "Disabled"
    allow_protected_append_writes = false
    period_since_creation_in_days = 1
  }

  blob_properties {
    versioning_enabled            = true
    change_feed_enabled           = true
    change_feed_retention_in_days = 400

    delete_retention_policy {
      days                     = var.soft_delete_days
      permanent_delete_enabled = false
    }

    container_delete_retention_policy {
      days = var.soft_delete_days
    }

    # The portal's pages play straight from the store, with links that live for minutes.
    cors_rule {
      allowed_origins    = [local.portal_url]
      allowed_methods    = ["GET", "HEAD", "OPTIONS"]
      allowed_headers    = ["range", "x-ms-version", "x-ms-range"]
      exposed_headers    = ["content-length", "content-range", "accept-ranges", "etag"]
      max_age_in_seconds = 600
    }
  }

  sas_policy {
    expiration_action = "Log"
    expiration_period = "00.01:00:00"
  }

  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"] # Event Grid's dead letters, and the inventory
  }

  dynamic "customer_managed_key" {
    for_each = var.customer_managed_key ? [1] : []
    content {
      key_vault_key_id          = azurerm_key_vault_key.evidence[0].versionless_id
      user_assigned_identity_id = azurerm_user_assigned_identity.this["keys"].id
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [azurerm_role_assignment.keys]
}

resource "azurerm_storage_container" "this" {
  for_each              = local.containers
  name                  = each.key
  storage_account_id    = azurerm_storage_account.evidence.id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true
  }
}

# In an account with version-level write-once this is the default policy of new versions in the container.
resource "azurerm_storage_container_immutability_policy" "originals" {
  storage_container_resource_manager_id = azurerm_storage_container.this["footage"].id
  immutability_period_in_days           = local.originals_worm_days
  protected_append_writes_enabled       = false
  protected_append_writes_all_enabled   = false
  locked                                = var.immutability_locked
}

resource "azurerm_storage_container_immutability_policy" "records" {
  for_each                              = local.azure.containers
  storage_container_resource_manager_id = azurerm_storage_container.this[each.key].id
  immutability_period_in_days           = each.value.wormDays
  protected_append_writes_enabled       = true
  protected_append_writes_all_enabled   = false
  locked                                = var.immutability_locked
}

# Tiers, and the end of what expire or an overwrite left behind as a previous version. Never a current blob: only `expire` deletes those.
resource "azurerm_storage_management_policy" "evidence" {
  storage_account_id = azurerm_storage_account.evidence.id

  rule {
    name    = "originals"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["footage/"]
    }
    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than    = 1 # processed by then; unflagged ones stay the 30 days that cool is billed for
        tier_to_cold_after_days_since_modification_greater_than    = 120
        tier_to_archive_after_days_since_modification_greater_than = var.archive_after_days > 0 ? var.archive_after_days : null
      }
      version {
        delete_after_days_since_creation = var.retention_days
      }
      snapshot {
        delete_after_days_since_creation_greater_than = var.retention_days
      }
    }
  }

  rule {
    name    = "renditions"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["renditions/"]
    }
    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = 45
      }
      version {
        delete_after_days_since_creation = 1
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 1
      }
    }
  }

  rule {
    name    = "undelivered-events"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["eventgrid-dead-letter/"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 90
      }
    }
  }
}

# What is there, every day, with versions and what was deleted: the proof that receipts = originals = records, and that nothing lingers.
resource "azurerm_storage_blob_inventory_policy" "evidence" {
  storage_account_id = azurerm_storage_account.evidence.id

  dynamic "rules" {
    for_each = toset(["footage", "renditions"])
    content {
      name                   = rules.value
      storage_container_name = azurerm_storage_container.this["inventory"].name
      format                 = "Csv"
      schedule               = "Daily"
      scope                  = "Blob"
      schema_fields = ["Name", "Creation-Time", "Last-Modified", "Content-Length", "Etag", "BlobType", "AccessTier", "VersionId",
      "IsCurrentVersion", "Deleted", "DeletedTime", "RemainingRetentionDays", "ImmutabilityPolicyUntilDate", "LegalHold"]

      filter {
        blob_types            = ["blockBlob"]
        prefix_match          = ["${rules.value}/"]
        include_blob_versions = true
        include_deleted       = true
      }
    }
  }
}

# The hosts' own storage, one account a zone: who owns another zone's account owns its locks and keys.
resource "azurerm_storage_account" "host" {
  for_each                         = local.zones
  name                             = local.names.host[each.key]
  resource_group_name              = azurerm_resource_group.this.name
  location                         = var.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = local.zonal ? "ZRS" : "LRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  public_network_access_enabled    = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  tags                             = local.tags

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
  }
}

# Packages that the apps run from: the apps may read them, and nobody's app may change them.
resource "azurerm_storage_account" "packages" {
  name                             = local.names.packages
  resource_group_name              = azurerm_resource_group.this.name
  location                         = var.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = local.zonal ? "ZRS" : "LRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  public_network_access_enabled    = length(var.deployer_ip_ranges) > 0
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  tags                             = local.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 30
    }
  }

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
    ip_rules       = var.deployer_ip_ranges
  }
}

resource "azurerm_storage_container" "packages" {
  name                  = "packages"
  storage_account_id    = azurerm_storage_account.packages.id
  container_access_type = "private"
}
