/* The fuzz target of meshes and clouds: the end of a seed's name is the format. */
#include "runtime/data/mesh.h"

#include <assert.h>

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    char error[512];
    CoupletMesh mesh;
    if (!couplet_mesh_read_bytes(name, data, size, &mesh, error, sizeof error)) return;
    assert(mesh.point_count > 0);
    for (int64_t i = 0; i < 3 * mesh.triangle_count; i++)
        assert(mesh.corners[i] >= 0 && mesh.corners[i] < mesh.point_count);
    couplet_mesh_free(&mesh);
}

#include "tests/runtime/fuzz/mutate.h"
