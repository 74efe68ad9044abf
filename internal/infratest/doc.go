// Package infratest holds what is declared in several places together: function.json, host.json, the handler's settings, the
// declarations in infra/ and the Terraform files. It has tests only, and they read files: no Terraform is needed.
package infratest
