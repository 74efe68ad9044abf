resource "azurerm_virtual_network" "this" {
  name                = local.names.network
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  address_space       = [var.address_space]
  tags                = local.tags
}

# Out of the zones: the private endpoints, and what Azure needs to sign in and to be watched. Hostile footage finds no way out.
resource "azurerm_network_security_group" "zones" {
  name                = "nsg-${local.suffix}-zones"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  dynamic "security_rule" {
    for_each = { AzureActiveDirectory = 100, AzureMonitor = 110, VirtualNetwork = 120 }
    content {
      name                       = "to-${security_rule.key}"
      priority                   = security_rule.value
      direction                  = "Outbound"
      access                     = "Allow"
      protocol                   = "Tcp"
      source_port_range          = "*"
      source_address_prefix      = "VirtualNetwork"
      destination_address_prefix = security_rule.key
      destination_port_ranges    = security_rule.key == "VirtualNetwork" ? ["443", "5671", "5672"] : ["443"]
    }
  }

  security_rule {
    name                       = "to-nowhere-else"
    priority                   = 4000
    direction                  = "Outbound"
    access                     = "Deny"
    protocol                   = "*"
    source_port_range          = "*"
    source_address_prefix      = "*"
    destination_port_range     = "*"
    destination_address_prefix = "*"
  }
}

resource "azurerm_subnet" "zone" {
  for_each             = { for i, zone in sort(keys(local.zones)) : zone => i }
  name                 = "snet-${each.key}"
  resource_group_name  = azurerm_resource_group.this.name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [cidrsubnet(var.address_space, 2, each.value)]

  delegation {
    name = "functions"
    service_delegation {
      name    = contains(local.premium_zones, each.key) ? "Microsoft.Web/serverFarms" : "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/action"]
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "zone" {
  for_each                  = azurerm_subnet.zone
  subnet_id                 = each.value.id
  network_security_group_id = azurerm_network_security_group.zones.id
}

resource "azurerm_subnet" "endpoints" {
  name                              = "snet-endpoints"
  resource_group_name               = azurerm_resource_group.this.name
  virtual_network_name              = azurerm_virtual_network.this.name
  address_prefixes                  = [cidrsubnet(var.address_space, 2, 3)]
  private_endpoint_network_policies = "Enabled"
}

resource "azurerm_virtual_network_peering" "hub" {
  count                        = var.hub_network_id == null ? 0 : 1
  name                         = "to-hub"
  resource_group_name          = azurerm_resource_group.this.name
  virtual_network_name         = azurerm_virtual_network.this.name
  remote_virtual_network_id    = var.hub_network_id
  allow_virtual_network_access = true
  allow_forwarded_traffic      = true
  use_remote_gateways          = false
}

locals {
  dns_zones = {
    blob       = "privatelink.blob.core.windows.net"
    queue      = "privatelink.queue.core.windows.net"
    table      = "privatelink.table.core.windows.net"
    servicebus = "privatelink.servicebus.windows.net"
    cosmos     = "privatelink.documents.azure.com"
    vault      = "privatelink.vaultcore.azure.net"
    registry   = "privatelink.azurecr.io"
    sites      = "privatelink.azurewebsites.net"
  }

  endpoints = merge(
    {
      evidence-blob = { id = azurerm_storage_account.evidence.id, sub = "blob", zone = "blob" }
      packages-blob = { id = azurerm_storage_account.packages.id, sub = "blob", zone = "blob" }
      ledger        = { id = azurerm_cosmosdb_account.this.id, sub = "Sql", zone = "cosmos" }
      registry      = { id = azurerm_container_registry.this.id, sub = "registry", zone = "registry" }
      keeper-site   = { id = local.app_ids.keeper, sub = "sites", zone = "sites" }
      media-site    = { id = local.app_ids.media, sub = "sites", zone = "sites" }
    },
    merge([for zone in keys(local.zones) : {
      for service in ["blob", "queue", "table"] : "${zone}-host-${service}" => { id = azurerm_storage_account.host[zone].id, sub = service, zone = service }
    }]...),
    local.premium_bus ? { servicebus = { id = azurerm_servicebus_namespace.this.id, sub = "namespace", zone = "servicebus" } } : {},
    var.customer_managed_key ? { vault = { id = azurerm_key_vault.this[0].id, sub = "vault", zone = "vault" } } : {},
  )
}

resource "azurerm_private_dns_zone" "this" {
  for_each            = local.dns_zones
  name                = each.value
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each            = local.dns_zones
  name                = "link-${each.key}"
  private_dns_zone_id = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id  = azurerm_virtual_network.this.id
  tags                = local.tags
}

# Officers' browsers and the docks come from the force's network: it resolves the private names by these links.
resource "azurerm_private_dns_zone_virtual_network_link" "hub" {
  for_each            = var.hub_network_id == null ? {} : local.dns_zones
  name                = "hub-${each.key}"
  private_dns_zone_id = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id  = var.hub_network_id
  tags                = local.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each            = local.endpoints
  name                = "pep-${local.suffix}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  subnet_id           = azurerm_subnet.endpoints.id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.sub]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this[each.value.zone].id]
  }
}
