# Ids that look real: with the provider itself instead of the shim, its validators refuse the random strings that mocks invent.
mock_resource "azurerm_resource_group" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock" }
}
mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-mock"
    client_id    = "11111111-1111-1111-1111-111111111111"
    principal_id = "22222222-2222-2222-2222-222222222222"
  }
}
mock_resource "azurerm_role_definition" {
  defaults = { role_definition_resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/33333333-3333-3333-3333-333333333333" }
}
mock_resource "azurerm_virtual_network" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/virtualNetworks/vnet-mock" }
}
mock_resource "azurerm_subnet" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/virtualNetworks/vnet-mock/subnets/snet-mock" }
}
mock_resource "azurerm_network_security_group" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/networkSecurityGroups/nsg-mock" }
}
mock_resource "azurerm_private_dns_zone" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/privateDnsZones/privatelink.mock" }
}
mock_resource "azurerm_storage_account" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock" }
}
mock_resource "azurerm_storage_container" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock/blobServices/default/containers/mock" }
}
mock_resource "azurerm_key_vault" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.KeyVault/vaults/kv-mock" }
}
mock_resource "azurerm_key_vault_key" {
  defaults = { versionless_id = "https://kv-mock.vault.azure.net/keys/evidence" }
}
mock_resource "azurerm_servicebus_namespace" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ServiceBus/namespaces/sbns-mock" }
}
mock_resource "azurerm_servicebus_queue" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ServiceBus/namespaces/sbns-mock/queues/mock" }
}
mock_resource "azurerm_servicebus_topic" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ServiceBus/namespaces/sbns-mock/topics/mock" }
}
mock_resource "azurerm_servicebus_subscription" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ServiceBus/namespaces/sbns-mock/topics/mock/subscriptions/mock" }
}
mock_resource "azurerm_eventgrid_system_topic" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.EventGrid/systemTopics/egst-mock" }
}
mock_resource "azurerm_cosmosdb_account" {
  defaults = {
    id       = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.DocumentDB/databaseAccounts/cosmos-mock"
    endpoint = "https://cosmos-mock.documents.azure.com:443/"
  }
}
mock_resource "azurerm_cosmosdb_sql_role_definition" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.DocumentDB/databaseAccounts/cosmos-mock/sqlRoleDefinitions/33333333-3333-3333-3333-333333333333" }
}
mock_resource "azurerm_container_registry" {
  defaults = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ContainerRegistry/registries/crmock"
    login_server = "crmock.azurecr.io"
  }
}
mock_resource "azurerm_service_plan" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/serverFarms/asp-mock" }
}
mock_resource "azurerm_linux_function_app" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/sites/func-mock" }
}
mock_resource "azurerm_function_app_flex_consumption" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/sites/func-mock" }
}
mock_resource "azurerm_log_analytics_workspace" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock" }
}
mock_resource "azurerm_application_insights" {
  defaults = {
    id                = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/components/appi-mock"
    connection_string = "InstrumentationKey=00000000-0000-0000-0000-000000000000"
  }
}
mock_resource "azurerm_monitor_action_group" {
  defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/actionGroups/ag-mock" }
}
