resource "azurerm_key_vault" "this" {
  count                         = var.customer_managed_key ? 1 : 0
  name                          = local.names.vault
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  tenant_id                     = var.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = length(var.deployer_ip_ranges) > 0
  tags                          = local.tags

  network_acls {
    default_action = "Deny"
    bypass         = "AzureServices"
    ip_rules       = var.deployer_ip_ranges
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_key_vault_key" "evidence" {
  count        = var.customer_managed_key ? 1 : 0
  name         = "evidence"
  key_vault_id = azurerm_key_vault.this[0].id
  key_type     = "RSA-HSM"
  key_size     = 3072
  key_opts     = ["unwrapKey", "wrapKey"]
  tags         = local.tags

  rotation_policy {
    expire_after         = "P2Y"
    notify_before_expiry = "P60D"

    automatic {
      time_before_expiry = "P90D"
    }
  }

  lifecycle {
    prevent_destroy = true # without this key nobody reads the evidence again
  }
}

resource "azurerm_role_assignment" "keys" {
  count                            = var.customer_managed_key ? 1 : 0
  scope                            = azurerm_key_vault.this[0].id
  role_definition_name             = "Key Vault Crypto Service Encryption User"
  principal_id                     = azurerm_user_assigned_identity.this["keys"].principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}
