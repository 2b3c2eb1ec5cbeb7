// Package fleet makes believable fleets of cloud resources out of a seed, for
// the demo, for tests and for benchmarks: the observations that the sources of
// a cloud with some clients, projects and regions would send over some months.
//
// A [Fleet] is a pure function of its [Config]: the same configuration gives
// the same observations in the same order, on every machine. Observations are
// valid (spec 3-ingest), in canonical form, and come in the order of their
// times. They are produced one by one; memory is bounded by the resources that
// live at one time, about 100 bytes each, whatever the number of months.
//
// A fleet is in its steady state from the first month on: its resources were
// made up to two years before, and each month ReplacedPercent of them are
// deleted and made anew. What else happens to a resource: it is renamed,
// resized, attached or detached, tagged anew, or told about again without any
// change. Beside them there are autoscaling machines that live for minutes to
// hours, some of which fail within seconds, and ports whose traffic is told
// hour by hour, now and then corrected or retracted a day later.
//
// The shares of the types in Resources, in percent:
//
//	volume 33.70          instance 26.00    snapshot 9.00       floatingip 8.50
//	external_ip 6.00      backup 6.00       image 3.50          load_balancer 2.00
//	basic_vm 1.20         file_share 1.00   baremetal 0.80      log_index 0.40
//	dbaas_postgresql_cpu 0.40               dbaas_postgresql_memory 0.40
//	dbaas_postgresql_volume 0.40            dbaas_postgresql_public_network 0.30
//	dbaas_postgresql_connection_pooler 0.20
//	ai_cluster 0.05       ai_virtual_cluster 0.05
//	containers 0.02       functions 0.02    functions_calls 0.02
//	functions_traffic 0.02                  inference 0.02
//
// but at least one of each; egress_traffic comes on top, TrafficPorts of it:
// a quantity an hour. Inference tells one in six hours, what else is counted one
// a day.
//
// A fleet of 100,000 resources and 100 ports over 12 months is 1.64 million
// observations about 360,000 resources: 704,000 states, of which 260,000 are
// deletions, and 937,000 quantities; as JSON 449 bytes each. It takes 17 MB to
// make, one of 1,000,000 resources 85 MB.
//
// The package has no failures: a configuration that makes no sense is levelled
// to one that does.
package fleet
