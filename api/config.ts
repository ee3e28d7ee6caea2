/** Configuration of the API; docs/configuration.md describes every key. */

import { isIP } from 'node:net';
import { z } from 'zod';
import { requireClusterForDevices, selfTestKeys } from '../infra/environments/config.ts';
import { oceanKeys } from '../infra/ocean/keys.ts';
import { serviceKeys } from '../infra/process/commonKeys.ts';
import { runtimeKeys } from '../infra/pods/config.ts';
import { flag, list, port } from '../infra/process/config.ts';
import { requireStores, storageKeys } from '../infra/storage/config.ts';
import { temporalKeys } from '../infra/temporal/connect.ts';

const mebibyte = 1024 ** 2;

/** An address, or a network as `10.0.0.0/8`. */
const network = z.string().refine((text) => {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = { 4: 32, 6: 128 }[isIP(address)];
  return bits !== undefined && rest.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
}, 'is neither an IP address nor a network');

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

const perMinute = z.coerce.number().int().nonnegative();

const bytes = (min: number, fallback: number) => z.coerce.number().int().min(min).default(fallback);

export const apiConfig = z
  .object({
    ...serviceKeys,
    ...temporalKeys,
    ...oceanKeys,
    ...storageKeys,
    ...runtimeKeys,
    ...selfTestKeys,
    /** address on which the API listens */
    C2D_API_HOST: z.string().default('127.0.0.1'),
    /** port of the node-style API; 0 lets the system choose */
    C2D_API_PORT: port.default(8_000),
    /** largest JSON body in bytes; raw algorithm code is part of it */
    C2D_API_JSON_LIMIT: bytes(mebibyte, 4 * mebibyte),
    /** largest body of an encrypt call in bytes */
    C2D_API_ENCRYPT_LIMIT: bytes(mebibyte, 25 * mebibyte),
    /** longest life of an auth token, and the life of one for which no end was asked */
    C2D_API_TOKEN_SECONDS: z.coerce.number().int().min(60).max(31_536_000).default(604_800),
    /** port of the classic Provider API, on the same address; absent: it is not served; 0 lets the system choose */
    C2D_CLASSIC_PORT: port.optional(),
    /** serves the classic API below this path, too, e.g. `/provider` */
    C2D_CLASSIC_BASE_PATH: z
      .string()
      .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'is not a path like /provider, without a slash at its end')
      .default(''),
    /** take stop and delete calls of ocean.js 3.3.3 and later, which leave the nonce unsigned or out */
    C2D_CLASSIC_UNSIGNED_NONCES: flag.default(true),
    /** port of the operator-service API, on the same address; absent: it is not served; 0 lets the system choose */
    C2D_OPERATOR_PORT: port.optional(),
    /** addresses of the Providers that may ask for jobs; none: nobody */
    C2D_OPERATOR_PROVIDERS: list.pipe(z.array(address)).prefault(''),
    /** values of the `Admin` header that let operators in; none: nobody */
    C2D_OPERATOR_ADMINS: list.pipe(z.array(z.string().min(16, 'is shorter than 16 characters'))).prefault(''),
    /** take what old ocean-nodes sign, and what old operator-services verified; much of it can be replayed */
    C2D_OPERATOR_OLDER_SIGNATURES: flag.default(false),
    /** addresses that may have documents decrypted; none: everybody who signs */
    C2D_AUTHORIZED_DECRYPTERS: list.pipe(z.array(address)).prefault(''),
    /** requests of one IP address, and of one consumer, in a minute; 0: no limit */
    C2D_API_RATE_PER_IP: perMinute.default(1_200),
    C2D_API_RATE_PER_ADDRESS: perMinute.default(600),
    /** requests that this process works on at once, and answers that may be unfinished at once; more get 503 */
    C2D_API_MAX_REQUESTS: z.coerce.number().int().positive().default(512),
    C2D_API_MAX_ANSWERS: z.coerce.number().int().positive().default(4_096),
    /** event streams and live logs that one consumer may have open at this process */
    C2D_API_STREAMS_PER_ADDRESS: z.coerce.number().int().positive().default(32),
    /** proxies whose `X-Forwarded-For` is believed */
    C2D_API_TRUSTED_PROXIES: list.pipe(z.array(network)).prefault(''),
    /** accept what clients 4.0 to 5.1 sign; some of it can be replayed */
    C2D_API_OLDER_CLIENTS: flag.default(false),
    C2D_API_DATABASE_CONNECTIONS: z.coerce.number().int().positive().default(10),
    /** silence of an agent after which its pod is looked at; several of the agent's heartbeats */
    C2D_SILENCE_SECONDS: z.coerce.number().min(1).default(12),
  })
  .superRefine(requireClusterForDevices)
  .superRefine(requireStores);

export type ApiConfig = z.output<typeof apiConfig>;
