locals {
  # Every scope is one resource, never a group or a subscription.
  scopes = merge(
    { for name, c in azurerm_storage_container.this : "container:${name}" => c.id },
    { for name, q in azurerm_servicebus_queue.this : "queue:${name}" => q.id },
    { for name, t in azurerm_servicebus_topic.this : "topic:${name}" => t.id },
    { for name, s in azurerm_servicebus_subscription.this : "subscription:${name}" => s.id },
    { for zone, h in azurerm_storage_account.host : "host:${zone}" => h.id },
    {
      "account:evidence" = azurerm_storage_account.evidence.id
      "packages"         = azurerm_storage_container.packages.id
      "registry"         = azurerm_container_registry.this.id
      "insights"         = azurerm_application_insights.this.id
    },
  )

  assignments = merge(
    merge([for name, identity in local.roles.identities : {
      for a in identity.assignments : "${name} ${a.role} ${a.scope}" => merge(a, { identity = name })
    }]...),
    merge([for zone in keys(local.zones) : {
      for a in local.roles.everyZone : "${zone} ${a.role} ${a.scope}" => merge(a, { identity = zone, scope = a.scope == "host" ? "host:${zone}" : a.scope })
    }]...),
  )
}

# The built-in data roles may delete where these may not.
resource "azurerm_role_definition" "this" {
  for_each          = local.roles.custom
  name              = "${local.suffix} ${each.key}"
  description       = each.value.description
  scope             = azurerm_resource_group.this.id
  assignable_scopes = [azurerm_resource_group.this.id]

  permissions {
    actions      = each.value.actions
    data_actions = each.value.dataActions
  }
}

resource "azurerm_role_assignment" "this" {
  for_each                         = local.assignments
  scope                            = local.scopes[each.value.scope]
  role_definition_name             = startswith(each.value.role, "custom:") ? null : each.value.role
  role_definition_id               = startswith(each.value.role, "custom:") ? azurerm_role_definition.this[trimprefix(each.value.role, "custom:")].role_definition_resource_id : null
  principal_id                     = azurerm_user_assigned_identity.this[each.value.identity].principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
  description                      = each.key
}

resource "azurerm_role_assignment" "uploaders" {
  for_each           = var.uploader_principals
  scope              = azurerm_storage_container.this["footage"].id
  role_definition_id = azurerm_role_definition.this["uploader"].role_definition_resource_id
  principal_id       = each.value
  description        = "dock ${each.key}"
}
