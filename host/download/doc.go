// Package download fetches one file from one of several URLs into a Target:
// http and https (HTTP/1.1 and HTTP/2) and file URLs, with failover, retries,
// resume, redirects, proxies and TLS settings of its own for each request.
//
// It is one engine on net/http for every plugin that fetches URLs. It knows
// nothing of stores, plugins or osbuild: bytes go to a Target, policy comes in
// through functions of the Request and the Config, and every failure is an
// *Error that says what happened to which item at which URL.
package download
