/** How a route is declared: once, for the server and for its description. */

import type { RequestHandler } from 'express';
import type { z } from 'zod';
import type { ErrorShape } from './problems.ts';
import type { ApiDeps } from './ports.ts';

/** A successful answer. */
export interface DescribedAnswer {
  readonly description: string;
  readonly contentType: string;
  readonly schema: z.ZodType;
}

/** One call of the API. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** as Express writes it: `/api/services/thing/:id` */
  readonly path: string;
  /** name of the call, unique */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: z.ZodObject;
  readonly params?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** takes a token in `Authorization: Bearer …` */
  readonly needsToken?: boolean;
  readonly body?: { readonly contentType: string; readonly schema: z.ZodType };
  /** by status number */
  readonly answers: Readonly<Record<number, DescribedAnswer>>;
  /** statuses of refusals, beyond the 500 of an unforeseen failure */
  readonly refusals: readonly number[];
  /** default `object` */
  readonly errorShape?: ErrorShape;
  /** a HEAD would spend the caller's nonce for nothing: refuse it */
  readonly refuseHead?: boolean;
  handle(deps: ApiDeps): readonly RequestHandler[];
}
