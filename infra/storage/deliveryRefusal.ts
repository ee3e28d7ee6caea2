/** Which environments take `output` of a job: their store has the outputs until they are delivered. */

import type { ComputeEnvironment } from '../environments/environments.ts';
import { storesOf, type StorageConfig } from './config.ts';

/** What the rule looks at. */
export interface DeliveryQuestion {
  readonly environment: Pick<ComputeEnvironment, 'id' | 'storage'>;
  /** to a public key of the consumer's, before the outputs leave the pod */
  readonly isEncrypted: boolean;
}

/** @returns why the environment does not take the job's `output`, and what to do; null: it does. Pure. */
export const deliveryRefusal =
  (config: StorageConfig) =>
  ({ environment: { id, storage }, isEncrypted }: DeliveryQuestion): string | null => {
    const store = storesOf(config).find(({ name }) => name === storage);
    if (store?.kind !== 'ipfs' || isEncrypted) return null;
    return `environment ${id} keeps outputs in IPFS until they are delivered, where whoever learns their CID can read them: leave out output, encrypt to a public key, or choose another environment`;
  };
