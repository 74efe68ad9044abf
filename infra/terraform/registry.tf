# Holds the image of media: the Functions base image and ffmpeg.
resource "azurerm_container_registry" "this" {
  name                          = local.names.registry
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  sku                           = "Premium" # for private endpoints
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = length(var.deployer_ip_ranges) > 0
  network_rule_bypass_option    = "None"
  export_policy_enabled         = length(var.deployer_ip_ranges) > 0
  zone_redundancy_enabled       = local.zonal
  retention_policy_in_days      = 30
  tags                          = local.tags

  network_rule_set {
    default_action = "Deny"
    ip_rule        = [for range in var.deployer_ip_ranges : { action = "Allow", ip_range = range }]
  }
}
