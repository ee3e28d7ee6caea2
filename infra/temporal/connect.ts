/** One data converter and one way to connect, for every process that talks to Temporal. */

import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { z } from 'zod';
import type { Keyring } from '../crypto/keyring.ts';
import { createPayloadCodec } from './codec.ts';

/** Configuration keys of a connection to Temporal. */
export const temporalKeys = {
  C2D_TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  C2D_TEMPORAL_NAMESPACE: z.string().default('default'),
  C2D_TEMPORAL_API_KEY: z.string().optional(),
  C2D_TEMPORAL_TLS: z.stringbool().default(false),
};

/** Values of `temporalKeys`. */
export type TemporalConfig = z.output<z.ZodObject<typeof temporalKeys>>;

/** Path of the failure converter, also given to the workflow bundle. */
export const failureConverterPath = fileURLToPath(new URL('./failureConverter.ts', import.meta.url));

/** The data converter that api, gateway and orchestrator share. */
export const createDataConverter = (keyring: Keyring): DataConverter => ({
  payloadCodecs: [createPayloadCodec(keyring)],
  failureConverterPath,
});

/** An open client. */
export interface TemporalConnection {
  readonly client: Client;
  readonly connection: Connection;
  /** Resolves when the server answers. For health checks. */
  check: () => Promise<void>;
  close: () => Promise<void>;
}

/** Options of a connection, also for the worker's native one. */
export const connectionOptions = (config: TemporalConfig) => ({
  address: config.C2D_TEMPORAL_ADDRESS,
  ...(config.C2D_TEMPORAL_TLS ? { tls: true } : {}),
  ...(config.C2D_TEMPORAL_API_KEY === undefined ? {} : { apiKey: config.C2D_TEMPORAL_API_KEY }),
});

/** A client that connects when it is first used and again whenever the server was away. */
export const connectTemporal = (config: TemporalConfig, keyring: Keyring): TemporalConnection => {
  const connection = Connection.lazy(connectionOptions(config));
  const client = new Client({ connection, namespace: config.C2D_TEMPORAL_NAMESPACE, dataConverter: createDataConverter(keyring) });
  return {
    client,
    connection,
    async check() {
      await connection.withDeadline(Date.now() + 1_500, () => connection.workflowService.getSystemInfo({}));
    },
    close: () => connection.close(),
  };
};
