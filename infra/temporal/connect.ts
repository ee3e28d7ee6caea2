/** One data converter and one way to connect, for every process that talks to Temporal. */

import { fileURLToPath } from 'node:url';
import { Client, Connection, type TLSConfig } from '@temporalio/client';
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
  /** PEM: the authority of the server's certificate; absent: those that everybody trusts */
  C2D_TEMPORAL_TLS_AUTHORITY: z.string().optional(),
  /** PEM: our certificate and its key, for servers that ask for one; only together */
  C2D_TEMPORAL_TLS_CERTIFICATE: z.string().optional(),
  C2D_TEMPORAL_TLS_KEY: z.string().optional(),
  /** name in the server's certificate, if it is not the address's */
  C2D_TEMPORAL_TLS_SERVER_NAME: z.string().optional(),
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
  ...(config.C2D_TEMPORAL_TLS ? { tls: tlsOptions(config) } : {}),
  ...(config.C2D_TEMPORAL_API_KEY === undefined ? {} : { apiKey: config.C2D_TEMPORAL_API_KEY }),
});

const tlsOptions = (config: TemporalConfig): TLSConfig => {
  const { C2D_TEMPORAL_TLS_AUTHORITY: authority, C2D_TEMPORAL_TLS_CERTIFICATE: certificate, C2D_TEMPORAL_TLS_KEY: key } = config;
  return {
    ...(authority !== undefined && { serverRootCACertificate: Buffer.from(authority) }),
    ...(certificate !== undefined && key !== undefined && { clientCertPair: { crt: Buffer.from(certificate), key: Buffer.from(key) } }),
    ...(config.C2D_TEMPORAL_TLS_SERVER_NAME !== undefined && { serverNameOverride: config.C2D_TEMPORAL_TLS_SERVER_NAME }),
  };
};

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
