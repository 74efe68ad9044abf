package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// developmentStorage is Azurite's well-known account; its key is public and protects nothing.
// Source: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"

// target is where recordings go.
type target struct {
	container    string
	connection   string
	accountURL   string
	containerURL string
}

func (t target) connect() (*container.Client, error) {
	switch {
	case t.containerURL != "":
		c, err := container.NewClientWithNoCredential(t.containerURL, nil)
		if err != nil {
			return nil, errors.New("the container URL cannot be read") // the cause could quote its SAS
		}
		return c, nil
	case t.accountURL != "":
		credential, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, fmt.Errorf("signing in: %w", err)
		}
		c, err := service.NewClient(t.accountURL, credential, nil)
		if err != nil {
			return nil, fmt.Errorf("using --account-url: %w", err)
		}
		return c.NewContainerClient(t.container), nil
	default:
		if t.connection == "" {
			t.connection = developmentStorage
		}
		c, err := service.NewClientFromConnectionString(t.connection, nil)
		if err != nil {
			return nil, errors.New("the connection string cannot be read") // the cause could quote its key
		}
		return c.NewContainerClient(t.container), nil
	}
}

// message is an error in one line. The SDK spreads a refusal over ten.
func message(err error) string {
	text := withoutQuery(err)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		id := ""
		if refused.RawResponse != nil {
			id = refused.RawResponse.Header.Get("x-ms-request-id")
		}
		text = strings.ReplaceAll(text, refused.Error(), fmt.Sprintf("%d %s, request %s", refused.StatusCode, refused.ErrorCode, id))
	}
	return strings.Join(strings.Fields(text), " ")
}

// withoutQuery is the error's text without the query of the address that a network error quotes: a
// SAS is in it. It works on the text, since a wrapped error has become text already.
func withoutQuery(err error) string {
	text := err.Error()
	var failed *url.Error
	if errors.As(err, &failed) {
		if _, query, ok := strings.Cut(failed.URL, "?"); ok {
			text = strings.ReplaceAll(text, "?"+query, "")
		}
	}
	return text
}
