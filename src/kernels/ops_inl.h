// Every kernel, written once over sixteen lanes. An instruction set's file defines the class Lanes and the size of the
// register tile, then includes this file inside a namespace of its own and a region compiled for that set.
// The order of operations here is the definition of the result's bits; a change is a change of every vector ever
// stored.
#include "kernels/functions_inl.h"
//
#include "kernels/product_inl.h"
//
#include "kernels/attention_inl.h"
//
#include "kernels/rows_inl.h"
