# Upper case: azd takes outputs into its environment as they are, and so does scripts/deploy.
output "AZURE_LOCATION" {
  description = "Primary region."
  value       = var.location
}

output "AZURE_RESOURCE_GROUP" {
  description = "Resource group of the system."
  value       = azurerm_resource_group.this.name
}

output "PORTAL_URL" {
  description = "Where people sign in."
  value       = local.portal_url
}

output "FOOTAGE_ACCOUNT_URL" {
  description = "Where docks upload to, container footage."
  value       = "https://${local.names.evidence}.blob.core.windows.net"
}

output "PACKAGES_ACCOUNT" {
  description = "Storage account that packages are published to."
  value       = local.names.packages
}

output "PACKAGES_CONTAINER" {
  description = "Container that packages are published to."
  value       = azurerm_storage_container.packages.name
}

output "AZURE_CONTAINER_REGISTRY_ENDPOINT" {
  description = "Registry of media's image."
  value       = azurerm_container_registry.this.login_server
}

output "FUNCTION_APPS" {
  description = "Function app of each trust zone."
  value       = local.names.app
}

output "PACKAGE_VERSION" {
  description = "What runs."
  value       = var.package_version
}

output "LOG_WORKSPACE_ID" {
  description = "Workspace to query."
  value       = azurerm_log_analytics_workspace.this.workspace_id
}

# What the tests want to see of locals.
output "settings" {
  description = "App settings of each zone."
  value       = local.settings
}

output "assignments" {
  description = "Role assignments, by identity, role and scope."
  value       = local.assignments
}
