resource "azurerm_resource_group" "this" {
  name     = local.names.resource_group
  location = var.location
  tags     = local.tags
}

# One identity for each trust zone, one for Event Grid's deliveries, and one that may only unwrap the customer's key.
resource "azurerm_user_assigned_identity" "this" {
  for_each            = toset(concat(keys(local.roles.identities), ["keys"]))
  name                = "id-${local.suffix}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

# What holds evidence, or decides about it, cannot be deleted before somebody takes the lock away, which raises the alert `guard`.
locals {
  locked = merge({
    evidence   = azurerm_storage_account.evidence.id
    ledger     = azurerm_cosmosdb_account.this.id
    servicebus = azurerm_servicebus_namespace.this.id
    logs       = azurerm_log_analytics_workspace.this.id
  }, var.customer_managed_key ? { vault = azurerm_key_vault.this[0].id } : {})
}

resource "azurerm_management_lock" "this" {
  for_each   = local.locked
  name       = "evidence-${each.key}"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds evidence or what decides about it. Taking this lock away alerts the on-call officer: docs/runbooks/guard.md."

  lifecycle {
    prevent_destroy = true
  }
}
