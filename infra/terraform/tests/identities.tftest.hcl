mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "44444444-4444-4444-4444-444444444444"
  entra_client_id = "55555555-5555-5555-5555-555555555555"
  environment     = "test"
  package_version = "1.2.3"
  alert_email     = "on-call@force.example"
  monthly_budget  = 20000
  budget_start    = "2026-12-01"
}

# Each its own ids, so that one in another's place is seen.
override_resource {
  target          = azurerm_user_assigned_identity.this["web"]
  override_during = plan
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"
    client_id    = "11111111-1111-1111-1111-111111111111"
    principal_id = "12222222-2222-2222-2222-222222222222"
  }
}

override_resource {
  target          = azurerm_user_assigned_identity.this["media"]
  override_during = plan
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/media"
    client_id    = "21111111-1111-1111-1111-111111111111"
    principal_id = "22222222-2222-2222-2222-222222222222"
  }
}

override_resource {
  target          = azurerm_user_assigned_identity.this["keeper"]
  override_during = plan
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/keeper"
    client_id    = "31111111-1111-1111-1111-111111111111"
    principal_id = "32222222-2222-2222-2222-222222222222"
  }
}

override_resource {
  target          = azurerm_user_assigned_identity.this["events"]
  override_during = plan
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/events"
    client_id    = "41111111-1111-1111-1111-111111111111"
    principal_id = "42222222-2222-2222-2222-222222222222"
  }
}

override_resource {
  target          = azurerm_user_assigned_identity.this["keys"]
  override_during = plan
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/keys"
    client_id    = "51111111-1111-1111-1111-111111111111"
    principal_id = "52222222-2222-2222-2222-222222222222"
  }
}

run "one_identity_a_zone" {
  command = plan

  assert {
    condition     = toset(keys(azurerm_user_assigned_identity.this)) == toset(["web", "media", "keeper", "events", "keys"])
    error_message = "zones share an identity"
  }
  assert {
    condition     = toset([for zone, app in azurerm_linux_function_app.this : app.name]) == toset(["func-bwv-test-uks-web", "func-bwv-test-uks-media", "func-bwv-test-uks-keeper"])
    error_message = "not one app a zone"
  }
  assert {
    condition     = alltrue([for zone, app in azurerm_linux_function_app.this : [for id in app.identity[0].identity_ids : basename(id)] == [zone]])
    error_message = "an app has another zone's identity"
  }
  assert {
    condition = alltrue([for zone, client in { web = "11111111-1111-1111-1111-111111111111", media = "21111111-1111-1111-1111-111111111111", keeper = "31111111-1111-1111-1111-111111111111" } : alltrue([
      for name in ["AZURE_CLIENT_ID", "SB__clientId", "AzureWebJobsStorage__clientId"] : azurerm_linux_function_app.this[zone].app_settings[name] == client
    ])])
    error_message = "an app signs in as another zone"
  }
  assert {
    condition = alltrue([for key, a in azurerm_role_assignment.this : a.principal_id == {
      web    = "12222222-2222-2222-2222-222222222222", media = "22222222-2222-2222-2222-222222222222"
      keeper = "32222222-2222-2222-2222-222222222222", events = "42222222-2222-2222-2222-222222222222"
    }[split(" ", key)[0]]])
    error_message = "a right was given to another identity"
  }
  assert {
    condition     = { for name, a in azurerm_cosmosdb_sql_role_assignment.this : name => a.principal_id } == { web = "12222222-2222-2222-2222-222222222222", media = "22222222-2222-2222-2222-222222222222", keeper = "32222222-2222-2222-2222-222222222222" }
    error_message = "a right on the ledger was given to another identity"
  }
}

run "least_privilege" {
  command = plan

  assert {
    condition     = !anytrue([for a in output.assignments : contains(["Owner", "Contributor", "User Access Administrator", "Role Based Access Control Administrator", "Storage Account Contributor", "Azure Service Bus Data Owner", "DocumentDB Account Contributor", "Cosmos DB Operator"], a.role)])
    error_message = "a role that manages resources or owns data was given"
  }
  assert {
    condition     = alltrue([for a in azurerm_role_assignment.this : can(regex("/providers/Microsoft\\.", a.scope))]) && length(azurerm_role_assignment.this) == length(output.assignments)
    error_message = "a role reaches further than one resource"
  }
  assert {
    condition     = toset([for key, a in output.assignments : "${a.identity} ${a.role}" if a.scope == "container:footage"]) == toset(["web custom:prober", "media custom:reader", "keeper custom:disposer"])
    error_message = "another identity than keeper's may delete an original, or somebody may write one"
  }
  assert {
    condition     = !anytrue([for name, role in azurerm_role_definition.this : anytrue([for action in role.permissions[0].data_actions : endswith(action, "blobs/delete")]) if contains(["reader", "prober", "uploader"], name)])
    error_message = "a role that reads or uploads can delete"
  }
  assert {
    condition     = !anytrue([for role in azurerm_role_definition.this : anytrue([for action in concat(tolist(role.permissions[0].data_actions), tolist(role.permissions[0].actions)) : strcontains(action, "*") || strcontains(action, "deleteBlobVersion") || strcontains(action, "permanentDelete") || strcontains(action, "immutableStorage") || endswith(action, "containers/delete") || endswith(action, "containers/write")])])
    error_message = "a role has a wildcard, or reaches versions, write-once or containers"
  }
  assert {
    condition     = !anytrue([for action in azurerm_role_definition.this["disposer"].permissions[0].data_actions : endswith(action, "write") || endswith(action, "add/action")])
    error_message = "keeper could alter an original"
  }
  assert {
    condition     = alltrue([for a in output.assignments : a.scope != "account:evidence" || (a.role == "Storage Blob Delegator" && a.identity == "web")])
    error_message = "a role reaches the whole evidence account"
  }
  assert {
    condition     = toset([for a in output.assignments : "${a.identity} ${a.scope}" if a.role == "Azure Service Bus Data Sender"]) == toset(["web queue:expire", "web queue:reprocess", "media queue:segment", "keeper queue:ingest", "keeper queue:expire", "keeper topic:footage", "events queue:ingest"])
    error_message = "somebody may send messages that is not theirs to send"
  }
  assert {
    condition     = toset([for a in output.assignments : "${a.identity} ${a.scope}" if a.role == "Azure Service Bus Data Receiver"]) == toset(["media subscription:footage/metadata", "media subscription:footage/digest", "media subscription:footage/proxy", "media queue:segment", "keeper queue:ingest", "keeper queue:expire", "keeper queue:reprocess", "keeper subscription:footage/retention"])
    error_message = "a zone may take another zone's messages"
  }
  assert {
    condition     = toset([for a in output.assignments : a.role if a.identity == "events"]) == toset(["Azure Service Bus Data Sender", "Storage Blob Data Contributor"]) && toset([for a in output.assignments : a.scope if a.identity == "events"]) == toset(["queue:ingest", "container:eventgrid-dead-letter"])
    error_message = "Event Grid may do more than deliver and keep what it cannot"
  }
  assert {
    condition     = alltrue([for a in output.assignments : a.scope == "host:${a.identity}" if startswith(a.scope, "host")])
    error_message = "a zone owns another zone's host storage"
  }
  assert {
    condition     = toset([for a in output.assignments : a.role if a.scope == "packages"]) == toset(["Storage Blob Data Reader"])
    error_message = "an app may change the package that it runs from"
  }
  assert {
    condition     = !anytrue([for r in azurerm_cosmosdb_sql_role_definition.this : anytrue([for p in r.permissions : anytrue([for action in p.data_actions : strcontains(action, "*") || endswith(action, "/delete") || strcontains(action, "StoredProcedure")])])])
    error_message = "somebody may delete a record or a custody entry"
  }
  assert {
    condition     = toset(keys(azurerm_cosmosdb_sql_role_assignment.this)) == toset(["web", "media", "keeper"]) && alltrue([for a in azurerm_cosmosdb_sql_role_assignment.this : endswith(a.scope, "/dbs/bwv/colls/evidence")])
    error_message = "ledger rights reach further than the ledger"
  }
}

run "docks_may_add_and_not_delete" {
  command = plan
  variables {
    uploader_principals = { lambeth = "66666666-6666-6666-6666-666666666666" }
  }
  assert {
    condition     = length(azurerm_role_assignment.uploaders) == 1 && azurerm_role_assignment.uploaders["lambeth"].scope == azurerm_storage_container.this["footage"].id
    error_message = "a dock may reach more than footage"
  }
}

run "each_app_runs_its_zone_only" {
  command = plan

  assert {
    condition = alltrue([for zone, off in {
      web    = ["metadata", "digest", "proxy", "segment", "ingest", "retention", "expire", "reconcile", "reprocess"]
      media  = ["flag", "unflag", "search", "detail", "playback", "playlist", "audit", "resubmit", "release", "health", "ingest", "retention", "expire", "reconcile", "reprocess"]
      keeper = ["flag", "unflag", "search", "detail", "playback", "playlist", "audit", "resubmit", "release", "health", "metadata", "digest", "proxy", "segment"]
    } : alltrue([for name in off : azurerm_linux_function_app.this[zone].app_settings["AzureWebJobs.${name}.Disabled"] == "true"])])
    error_message = "an app runs a function of another zone"
  }
  assert {
    condition = alltrue([for zone, on in {
      web    = ["flag", "unflag", "search", "detail", "playback", "playlist", "audit", "resubmit", "release", "health"]
      media  = ["metadata", "digest", "proxy", "segment"]
      keeper = ["ingest", "retention", "expire", "reconcile", "reprocess"]
    } : alltrue([for name in on : !contains(keys(azurerm_linux_function_app.this[zone].app_settings), "AzureWebJobs.${name}.Disabled")])])
    error_message = "an app does not run a function of its zone"
  }
  assert {
    condition     = alltrue([for zone in keys(output.settings) : output.settings[zone]["SB__fullyQualifiedNamespace"] == "sbns-bwv-test-uks.servicebus.windows.net" && output.settings[zone]["FOOTAGE__blobServiceUri"] == "https://stbwvtestuksev.blob.core.windows.net"])
    error_message = "an app talks to other stores"
  }
}
