/** The client of one bucket. */

import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3StoreConfig } from './config.ts';

const connectPatienceMs = 5_000;
const attempts = 3;
const mostConnections = 128;
/** from this size on a body waits for the server's permission: a refusal then costs no bytes */
const askBeforeBytes = 1024 ** 2;

const nothing = (): void => undefined;
/** errors are thrown, and what the library would print might hold an address */
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

interface Signable {
  readonly method: string;
  readonly headers: Record<string, string>;
}

/**
 * Signs the digest of what is sent along, where it is known beforehand: every server that checks signatures then checks
 * the bytes, though they are streamed.
 */
const signDigest = (request: Signable): void => {
  const digest = request.headers['x-amz-checksum-sha256'];
  if (request.method === 'PUT' && digest !== undefined)
    request.headers['x-amz-content-sha256'] = Buffer.from(digest, 'base64').toString('hex');
};

/**
 * Sends nothing before the first request. Bodies that are streams are sent once; everything else up to three times.
 * @param requestHandler of connections that are not the library's own; it need not know of `Expect`
 */
export const createS3Client = (store: S3StoreConfig, requestHandler?: S3ClientConfig['requestHandler']): S3Client => {
  const agent = { keepAlive: true, maxSockets: mostConnections };
  const client = new S3Client({
    region: store.region,
    forcePathStyle: store.pathStyle,
    ...(store.endpoint !== undefined && { endpoint: store.endpoint }),
    ...(store.credentials !== undefined && {
      credentials: {
        accessKeyId: store.credentials.accessKeyId,
        secretAccessKey: store.credentials.secretAccessKey,
        ...(store.credentials.sessionToken !== undefined && { sessionToken: store.credentials.sessionToken }),
      },
    }),
    maxAttempts: attempts,
    expectContinueHeader: requestHandler === undefined ? askBeforeBytes : false,
    // digests of our own choice are sent and looked at; the library's would be a second one of the same bytes
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: requestHandler ?? {
      connectionTimeout: connectPatienceMs,
      socketTimeout: store.idleSeconds * 1_000,
      httpAgent: agent,
      httpsAgent: agent,
    },
    logger: silent,
  });
  client.middlewareStack.add(
    (next) => async (args) => {
      signDigest(args.request as Signable);
      return next(args);
    },
    { step: 'build', name: 'signDigest', priority: 'low' },
  );
  return client;
};

/** What every object is made with. */
export const encryptionOf = ({ serverSideEncryption: encryption }: S3StoreConfig) =>
  encryption !== undefined && {
    ServerSideEncryption: encryption.algorithm,
    ...(encryption.algorithm === 'aws:kms' && encryption.keyId !== undefined && { SSEKMSKeyId: encryption.keyId }),
  };
