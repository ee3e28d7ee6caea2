/** Headers of every answer: who may read it from a browser, and what a browser must not do with it. */

import type { RequestHandler } from 'express';
import helmet from 'helmet';

/**
 * Classic Provider API §1: any origin, with `Content-Disposition, Content-Range, Accept-Ranges` readable; OPTIONS is a
 * preflight. Nothing here depends on cookies, so any origin may ask.
 */
export const allowBrowsers: RequestHandler = function allowBrowsers(req, res, next) {
  res.set({
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers':
      'Content-Disposition, Content-Range, Accept-Ranges, Content-Length, ETag, Location, Retry-After, X-Request-Id',
  });
  if (req.method !== 'OPTIONS') {
    next();
    return;
  }
  res
    .status(204)
    .set({
      'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
      'Access-Control-Allow-Headers':
        'Authorization, AuthToken, Content-Type, Idempotency-Key, If-Range, Last-Event-ID, Range, X-Request-Id',
      'Access-Control-Max-Age': '86400',
    })
    .end();
};

/** Nothing of ours runs scripts of others: the pages have their scripts and styles here. TLS is the proxy's matter. */
export const protectBrowsers: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'font-src': ["'self'", 'data:'],
      'connect-src': ["'self'"],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
    },
  },
  crossOriginResourcePolicy: { policy: 'cross-origin' },
  strictTransportSecurity: false,
});
