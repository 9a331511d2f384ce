/* SPDX-License-Identifier: Apache-2.0
 *
 * The program that compute's tests run as shim and as step: the test binary itself. What a step
 * does is the member "do" of its attempt.json.
 */
#ifndef TENON_TEST_COMPUTE_STEP_H
#define TENON_TEST_COMPUTE_STEP_H

int test_step(const char *attempt_dir);

#endif
