/** The browsable description: Swagger UI's own files, served from here, without inline scripts. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import express, { type Router } from 'express';

const assetsFolder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

const assets: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
};

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>durable-c2d API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png" />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const startScript = `window.ui = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;

/**
 * Routes `docs` (the page) and `openapi.json` below `base`. All addresses in the page are relative, so it also works
 * where a proxy puts everything below a path of its own.
 */
export const docsRoutes = (document: unknown, base = '/api'): Router => {
  const router = express.Router({ strict: true });
  router.get(`${base}/openapi.json`, (_req, res) => {
    res.json(document);
  });
  // with a slash at the end the relative addresses would name other paths
  router.get(`${base}/docs/`, (_req, res) => {
    res.redirect(301, '../docs');
  });
  router.get(`${base}/docs`, (_req, res) => {
    res.type('text/html').send(page);
  });
  router.get(`${base}/docs/start.js`, (_req, res) => {
    res.type('text/javascript').send(startScript);
  });
  router.get(`${base}/docs/:file`, (req, res, next) => {
    const type = Object.hasOwn(assets, req.params.file) ? assets[req.params.file] : undefined;
    if (type === undefined) next();
    else res.type(type).set('Cache-Control', 'public, max-age=3600').sendFile(join(assetsFolder, req.params.file), { dotfiles: 'allow' });
  });
  return router;
};
