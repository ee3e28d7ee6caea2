/** Configuration of the gateway; docs/configuration.md describes every key. */

import { z } from 'zod';
import { outputPolicies } from '../../infra/environments/outputPolicy.ts';
import { oceanKeys } from '../../infra/ocean/keys.ts';
import { serviceKeys } from '../../infra/process/commonKeys.ts';
import { json, port } from '../../infra/process/config.ts';
import { requireStores, storageKeys } from '../../infra/storage/config.ts';
import { temporalKeys } from '../../infra/temporal/connect.ts';

const mebibyte = 1024 ** 2;

export const gatewayConfig = z
  .object({
    ...serviceKeys,
    ...temporalKeys,
    ...oceanKeys,
    ...storageKeys,
    /** unix socket for pods of this machine: `gateway.sock` in the folder that the orchestrator shares with agents */
    C2D_GATEWAY_SOCKET_PATH: z.string().startsWith('/', 'is not an absolute path').max(100, 'is too long for a socket').optional(),
    /** address for pods that come over a network; only together with C2D_GATEWAY_PORT */
    C2D_GATEWAY_HOST: z.string().default('127.0.0.1'),
    /** 0: any free port */
    C2D_GATEWAY_PORT: port.optional(),
    /** a port that no network policy allows: where a pod reaches it, isolation is not enforced and no algorithm starts */
    C2D_GATEWAY_CANARY_PORT: port.optional(),
    /** address under which pods would reach the canary; without it algorithms must have no network at all */
    C2D_GATEWAY_CANARY_HOST: z.string().optional(),
    /** what may leave jobs on a dataset, by its DID */
    C2D_OUTPUT_POLICIES: json(outputPolicies).default({}),
    /** seconds between two signs of life of an agent; the orchestrator waits for several of them */
    C2D_AGENT_HEARTBEAT_SECONDS: z.coerce.number().positive().max(60).default(4),
    /** size of the parts in which outputs are uploaded */
    C2D_UPLOAD_PART_BYTES: z.coerce
      .number()
      .int()
      .min(64 * 1024)
      .max(64 * mebibyte)
      .default(8 * mebibyte),
  })
  .superRefine((config, context) => {
    if (config.C2D_GATEWAY_SOCKET_PATH === undefined && config.C2D_GATEWAY_PORT === undefined) {
      context.addIssue({ code: 'custom', path: ['C2D_GATEWAY_SOCKET_PATH'], message: 'set this, C2D_GATEWAY_PORT, or both' });
    }
    if ((config.C2D_GATEWAY_CANARY_HOST === undefined) !== (config.C2D_GATEWAY_CANARY_PORT === undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['C2D_GATEWAY_CANARY_PORT'],
        message: 'needs C2D_GATEWAY_CANARY_HOST, and the other way round',
      });
    }
  })
  .superRefine(requireStores);

export type GatewayConfig = z.output<typeof gatewayConfig>;
