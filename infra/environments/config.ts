/** Configuration keys of self-tests, and what environments ask of the runtime. */

import { z } from 'zod';
import type { ComputeEnvironment } from './environments.ts';

/** For every process that runs them or goes by what they found. */
export const selfTestKeys = {
  /** between two self-tests of an environment; what was not proved for three times as long is not offered */
  C2D_SEAL_TEST_SECONDS: z.coerce.number().int().min(10).max(86_400).default(600),
};

/** For the process that runs them. */
export const selfTestTargetKeys = {
  /** `host:port`, separated by commas: what else pods must not reach, beside what the service knows itself */
  C2D_SEAL_TEST_TARGETS: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((target) => target.trim()))
    .transform((targets) => targets.filter((target) => target !== ''))
    .refine(
      (targets) => targets.every((target) => /^([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):[1-9]\d{0,4}$/.test(target)),
      'is not host:port,…',
    ),
};

/** Rule across keys: only a cluster has devices to give. */
export const requireClusterForDevices = (
  config: { readonly C2D_RUNTIME: string; readonly C2D_ENVIRONMENTS: readonly ComputeEnvironment[] },
  context: z.core.$RefinementCtx,
): void => {
  if (config.C2D_RUNTIME === 'kubernetes') return;
  config.C2D_ENVIRONMENTS.forEach(({ devices }, index) => {
    if (devices.length === 0) return;
    context.addIssue({ code: 'custom', path: ['C2D_ENVIRONMENTS', index, 'devices'], message: 'need C2D_RUNTIME=kubernetes' });
  });
};
