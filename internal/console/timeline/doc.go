// Package timeline draws what a resource was in a period: a lane for each state
// with bars where it held, marks where it changed, and for quantities a bar for
// each day. It draws numbers, not pixels: places are shares of the period, so
// that a page of any width shows them without script.
//
//	                 created    resized      deleted
//	100 GiB             |==========|            :
//	200 GiB             :          |============|
//	        1 Jul       8 Jul      15 Jul       22 Jul
//
// What it is given is an account of the API; nothing is counted here but what
// the page shows as sums, exactly.
package timeline
