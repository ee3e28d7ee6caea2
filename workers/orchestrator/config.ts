/** Configuration of the orchestrator; docs/configuration.md describes every key. */

import { z } from 'zod';
import { requireClusterForDevices, selfTestKeys, selfTestTargetKeys } from '../../infra/environments/config.ts';
import { serviceKeys } from '../../infra/process/commonKeys.ts';
import { flag } from '../../infra/process/config.ts';
import { oceanKeys } from '../../infra/ocean/keys.ts';
import { podKeys, requireGatewayRoute } from '../../infra/pods/config.ts';
import { requireStores, storageKeys } from '../../infra/storage/config.ts';
import { temporalKeys } from '../../infra/temporal/connect.ts';

const receiver = z.url({ protocol: /^https?$/, error: 'is no http or https address' }).optional();

const webhookKeys = {
  /** told of every job that is accepted */
  C2D_NOTIFY_START_URL: receiver,
  /** told of every job that has ended */
  C2D_NOTIFY_STOP_URL: receiver,
};

export const orchestratorConfig = z
  .object({
    ...serviceKeys,
    ...temporalKeys,
    ...oceanKeys,
    ...podKeys,
    ...storageKeys,
    ...selfTestKeys,
    ...selfTestTargetKeys,
    /** bundle made ahead with `bundleWorkflowCode`; absent: bundled at start */
    C2D_WORKFLOW_BUNDLE: z.string().optional(),
    /** seconds between two rounds of the reaper */
    C2D_REAPER_SECONDS: z.coerce.number().int().min(5).default(600),
    /** pods and jobs younger than this are left alone by the reaper, in seconds */
    C2D_REAPER_GRACE_SECONDS: z.coerce.number().int().min(0).default(120),
    /** seconds between two rounds that remove results whose time is over */
    C2D_RETENTION_SECONDS: z.coerce.number().int().min(5).default(600),
    /** silence of an agent after which its pod is looked at, in seconds; for jobs that the orchestrator starts itself */
    C2D_SILENCE_SECONDS: z.coerce.number().min(1).default(12),
    ...webhookKeys,
    C2D_MAX_ACTIVITIES: z.coerce.number().int().positive().default(100),
    C2D_MAX_WORKFLOW_TASKS: z.coerce.number().int().positive().default(40),
    /** register search attributes at start; off where an administrator does it */
    C2D_REGISTER_SEARCH_ATTRIBUTES: flag.default(true),
  })
  .superRefine(requireGatewayRoute)
  .superRefine(requireClusterForDevices)
  .superRefine(requireStores);

export type OrchestratorConfig = z.output<typeof orchestratorConfig>;
