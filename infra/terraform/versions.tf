terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }

  # The rest comes with -backend-config=env/<environment>.backend: see env/backend.example.
  backend "azurerm" {
    use_azuread_auth = true
  }
}

provider "azurerm" {
  subscription_id                 = var.subscription_id
  tenant_id                       = var.tenant_id
  resource_provider_registrations = "none"
  storage_use_azuread             = true # there are no shared keys to use instead

  features {
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
    servicebus {
      auto_delete_subscription_default_rule = true # $Default matches everything: every stage would get every message
    }
    key_vault {
      purge_soft_delete_on_destroy = false
    }
    storage {
      data_plane_available = false # private endpoints: the machine that applies may not reach them
    }
  }
}
