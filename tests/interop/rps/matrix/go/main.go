// Go's relying parties, each as its own documentation verifies an ID token, over many questions in one process.
// The argument says which: go-coreos-oidc, go-jose or go-lestrrat-jwx.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwx "github.com/lestrrat-go/jwx/v3/jwt"
	"golang.org/x/oauth2"
)

type question struct {
	Issuer      string  `json:"issuer"`
	JwksURI     *string `json:"jwks_uri"`
	Audience    string  `json:"audience"`
	Token       string  `json:"token"`
	Algorithm   string  `json:"algorithm"`
	AccessToken *string `json:"access_token"`
}

type answer struct {
	Accepted bool    `json:"accepted"`
	Error    *string `json:"error"`
}

func get(url string, into any) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// keysAt says where the keys are, and which algorithms are expected.
func (asked question) keysAt() (string, []jose.SignatureAlgorithm, error) {
	if asked.JwksURI != nil {
		return *asked.JwksURI, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(asked.Algorithm)}, nil
	}
	var metadata struct {
		JwksURI    string                    `json:"jwks_uri"`
		Algorithms []jose.SignatureAlgorithm `json:"id_token_signing_alg_values_supported"`
	}
	err := get(asked.Issuer+"/.well-known/openid-configuration", &metadata)
	return metadata.JwksURI, metadata.Algorithms, err
}

// It asks the token endpoint itself.
func coreosOidc(ctx context.Context, asked question) error {
	provider, err := oidc.NewProvider(ctx, asked.Issuer)
	if err != nil {
		return err
	}
	config := oauth2.Config{ClientID: asked.Audience, ClientSecret: "secret", Endpoint: provider.Endpoint()}
	token, err := config.Exchange(ctx, "abc")
	if err != nil {
		return err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return errors.New("no id_token in the token response")
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: asked.Audience}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if verified.AccessTokenHash == "" {
		return nil
	}
	return verified.VerifyAccessToken(token.AccessToken)
}

func goJose(_ context.Context, asked question) error {
	uri, algorithms, err := asked.keysAt()
	if err != nil {
		return err
	}
	var keys jose.JSONWebKeySet
	if err := get(uri, &keys); err != nil {
		return err
	}
	token, err := jwt.ParseSigned(asked.Token, algorithms)
	if err != nil {
		return err
	}
	var claims jwt.Claims
	if err := token.Claims(&keys, &claims); err != nil {
		return err
	}
	return claims.Validate(jwt.Expected{Issuer: asked.Issuer, AnyAudience: jwt.Audience{asked.Audience}, Time: time.Now()})
}

func lestrratJwx(ctx context.Context, asked question) error {
	uri, _, err := asked.keysAt()
	if err != nil {
		return err
	}
	keys, err := jwk.Fetch(ctx, uri)
	if err != nil {
		return err
	}
	_, err = jwx.Parse([]byte(asked.Token), jwx.WithKeySet(keys), jwx.WithIssuer(asked.Issuer), jwx.WithAudience(asked.Audience))
	return err
}

func main() {
	verify := map[string]func(context.Context, question) error{
		"go-coreos-oidc":  coreosOidc,
		"go-jose":         goJose,
		"go-lestrrat-jwx": lestrratJwx,
	}[os.Args[1]]
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := []answer{}
	for _, asked := range questions {
		ctx, done := context.WithTimeout(context.Background(), 10*time.Second)
		err := verify(ctx, asked)
		done()
		if err == nil {
			answers = append(answers, answer{Accepted: true})
		} else {
			text := fmt.Sprintf("%.300s", err)
			answers = append(answers, answer{Error: &text})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
