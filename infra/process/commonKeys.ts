/** Configuration keys that several processes share. */

import { z } from 'zod';
import { keyringText } from '../crypto/keyring.ts';
import { computeEnvironments } from '../environments/environments.ts';
import { json, port } from './config.ts';
import { logLevels } from './logger.ts';

/** Keys of every process. */
export const processKeys = {
  C2D_LOG_LEVEL: z.enum(logLevels).default('info'),
  C2D_HEALTH_HOST: z.string().default('127.0.0.1'),
  /** 0: any free port */
  C2D_HEALTH_PORT: port.default(0),
};

/** Keys of every process that keeps or reads jobs. */
export const serviceKeys = {
  ...processKeys,
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'is not a postgres:// address'),
  C2D_ENCRYPTION_KEYS: keyringText,
  C2D_ENVIRONMENTS: json(computeEnvironments),
};
