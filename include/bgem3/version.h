// The version of bgem3, in one place: the build, the command line and the documentation read it from here.
#pragma once

#define BGEM3_VERSION "0.1.0"
