// Package report is the usage report: the validated request, what it selects,
// its order and totals, the line and its wire form, and the contracts that a
// store fulfils ([Reader], [Writer], [Directory], [Auditor]).
//
// The wire form is that of POST /cloud/v1/usage_report (spec 1-usage-report).
// Invariants: a [Query] is valid once made; a report is computed from one
// consistent snapshot; ties are always broken by project, region, type,
// resource id, meter, ascending, so that paging is stable. Bad input gives a
// [metering.Error] of KindInvalid that names every wrong field.
package report
