// Package access knows who may do what: clients (tenants), keys with their
// roles, and how far a key is narrowed to projects, regions and resource types
// (spec 1-usage-report, "Keys").
//
// Invariants: a secret is kept only as its SHA-256, is compared in constant
// time, and leaves the program once, in the answer to its creation; no message
// contains one. What lies outside a caller's client and narrowing does not
// exist for it. No key makes or changes another one to be wider than itself.
// A change is durable first and in force second; once the call has returned it
// holds for every request, so a revoked key is refused at once. There is always
// the client [report.DefaultClient], and once there is an admin key above all
// clients there is always one. A temporary key is never stored, so it cannot
// outlive the program.
//
// On failure to store a change nothing changes in force, and the error says so.
// Records that a newer program wrote are refused when the registry is opened.
package access
