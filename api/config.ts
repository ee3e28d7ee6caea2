/** Configuration of the API process. */

import { z } from 'zod';
import { port } from '../infra/process/config.ts';

const MIB = 1024 ** 2;

const bytes = (min: number, fallback: number) => z.coerce.number().int().min(min).default(fallback);

/** Keys of the API's own part; `main.ts` adds those of the adapters. */
export const apiConfigShape = {
  /** address on which the API listens */
  C2D_API_HOST: z.string().default('127.0.0.1'),
  /** port of the node-style API; 0 lets the system choose */
  C2D_API_PORT: port.default(8_000),
  /** largest JSON body in bytes; raw algorithm code is part of it */
  C2D_API_JSON_LIMIT: bytes(MIB, 4 * MIB),
  /** largest body of an encrypt call in bytes */
  C2D_API_ENCRYPT_LIMIT: bytes(MIB, 25 * MIB),
} as const;

export const apiConfig = z.object(apiConfigShape);

export type ApiConfig = z.output<typeof apiConfig>;
