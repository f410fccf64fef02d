# find_package(Couplet) gives Couplet::couplet, the shared runtime, and Couplet::static.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(ZLIB)
get_filename_component(COUPLET_LIBRARIES "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
find_path(COUPLET_INCLUDE couplet.h HINTS "${COUPLET_LIBRARIES}/../include" "${COUPLET_LIBRARIES}/../../include" REQUIRED)
if(NOT TARGET Couplet::couplet)
  add_library(Couplet::couplet SHARED IMPORTED)
  set_target_properties(Couplet::couplet PROPERTIES IMPORTED_LOCATION "${COUPLET_LIBRARIES}/libcouplet.so" INTERFACE_INCLUDE_DIRECTORIES "${COUPLET_INCLUDE}")
  add_library(Couplet::static STATIC IMPORTED)
  set_target_properties(Couplet::static PROPERTIES IMPORTED_LOCATION "${COUPLET_LIBRARIES}/libcouplet.a" INTERFACE_INCLUDE_DIRECTORIES "${COUPLET_INCLUDE}"
    INTERFACE_LINK_LIBRARIES "ZLIB::ZLIB;Threads::Threads;m")
endif()
