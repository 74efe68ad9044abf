package main

import "bwv/internal/evidence"

// people are the sample people of a developer's machine. They exist only with IDENTITY=development, which Azure refuses.
func people() []evidence.Actor {
	return []evidence.Actor{
		{ID: "development:officer", Name: "PC Ada Morris", Roles: []string{"officer"}, Unit: "lambeth", Clearance: "standard"},
		{ID: "development:supervisor", Name: "Sgt Tom Okafor", Roles: []string{"supervisor"}, Unit: "lambeth", Clearance: "standard"},
		{ID: "development:manager", Name: "Priya Shah", Roles: []string{"evidence manager"}, Unit: "evidence", Clearance: "restricted"},
		{ID: "development:auditor", Name: "Joan Reid", Roles: []string{"auditor"}, Unit: "standards", Clearance: "restricted"},
		{ID: "development:administrator", Name: "Sam Weller", Roles: []string{"administrator"}, Unit: "it", Clearance: "restricted"},
	}
}
