// Package azfunc is the custom-handler protocol of Azure Functions: envelopes in, status out, who acts, one log line an invocation.
package azfunc
