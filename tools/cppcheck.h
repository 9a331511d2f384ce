/* SPDX-License-Identifier: Apache-2.0
 *
 * Included before every source by cppcheck alone (tools/lint): what it cannot find or read.
 */
#define __attribute__(x)
#define __typeof__(x) struct item *
#define json_array_foreach(array, i, value)                                                        \
    for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value)                                                    \
    for (key = json_first(object); key && (value = json_object_get(object, key)); key = json_next(key))
