package oidc

import (
	"net/http"
)

const grantCode = "authorization_code"

func (p *Provider) token(w http.ResponseWriter, r *http.Request)           {}
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request)        {}
func (p *Provider) logout(w http.ResponseWriter, r *http.Request)          {}
func (p *Provider) logoutPosted(w http.ResponseWriter, r *http.Request)    {}
func (p *Provider) logoutStored(w http.ResponseWriter, r *http.Request)    {}
func (p *Provider) logoutConfirmed(w http.ResponseWriter, r *http.Request) {}
