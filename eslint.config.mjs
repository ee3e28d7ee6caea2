import js from '@eslint/js';
import ts from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';
import n from 'eslint-plugin-n';

/** Who may import whom: docs/architecture.md has the table, these rules keep it true. */
const forbid = (...groups) => ({
  'no-restricted-imports': [
    'error',
    { patterns: groups.map(([group, message, allowTypeImports = false]) => ({ group, message, allowTypeImports })) },
  ],
});

const noWorkflows = [['**/workflows/*.ts', '!**/workflows/contract/**'], 'import workflows for their types only', true];
const noActivities = [['**/activities/**'], "activities are the orchestrator's"];
const noWorkers = [['**/workers/**'], 'workers are entry points: nothing outside them imports them'];
const noApi = [['**/api/**'], 'the api is an entry point: nothing outside it imports it'];
const noInfra = [['**/infra/**'], 'declare the narrow interface you need; main.ts joins it with the adapter'];
const noPackages = (...allowed) => [
  ['[a-z@]*', ...allowed.map((name) => `!${name}`), '!node:*'],
  `only ${allowed.join(', ')} may be imported here`,
];

export default ts.config(
  {
    ignores: [
      'node_modules/**',
      '.cache/**',
      'coverage/**',
      'test/clients/**',
      'infra/toolchain/clients/**',
      '**/*.algorithm.js',
      'infra/images/**/*.js',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly' },
    },
  },
  {
    files: ['**/*.ts'],
    extends: [...ts.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX, n },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false, attributes: false } }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/require-await': 'off',
      'import-x/no-cycle': 'error',
      'import-x/no-default-export': 'error',
      'n/no-process-env': 'error',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
    },
  },
  { files: ['**/main.ts', 'infra/toolchain/**', 'test/**'], rules: { 'n/no-process-env': 'off' } },
  { files: ['infra/toolchain/**', 'test/bench/**'], rules: { 'no-console': 'off' } },
  { files: ['**/*.mjs', '**/*.config.*', 'test/globalSetup.ts', 'test/globalTeardown.ts'], rules: { 'import-x/no-default-export': 'off' } },
  {
    files: ['workflows/contract/**/*.ts'],
    rules: forbid(noPackages('@temporalio/workflow', '@temporalio/common'), noActivities, noWorkers, noApi, noInfra, [
      ['../*.ts'],
      'the contract is a leaf',
    ]),
  },
  {
    files: ['workflows/*.ts'],
    rules: forbid(
      [['**/activities/**'], 'import activities for their types only', true],
      noWorkers,
      noApi,
      noInfra,
      noPackages('@temporalio/workflow'),
    ),
  },
  { files: ['activities/**/*.ts'], rules: forbid(noWorkflows, noWorkers, noApi, noInfra, noPackages('@temporalio/activity')) },
  {
    files: ['workers/gateway/**/*.ts'],
    ignores: ['**/main.ts'],
    rules: forbid(noWorkflows, noActivities, noApi, [
      ['**/infra/**', '!**/infra/process/**'],
      'declare the narrow interface you need; main.ts joins it with the adapter',
      true,
    ]),
  },
  {
    files: ['workers/agent/**/*.ts'],
    rules: forbid(
      [['**/gateway/protocol.ts'], 'the agent takes types from the protocol, no code', true],
      noWorkflows,
      noActivities,
      noApi,
      noInfra,
      noPackages('node:*'),
    ),
  },
  {
    files: ['workers/orchestrator/**/*.ts'],
    ignores: ['**/main.ts'],
    rules: forbid(noApi, [['**/infra/**', '!**/infra/process/**'], 'main.ts joins adapters', true]),
  },
  {
    files: ['api/**/*.ts'],
    ignores: ['**/main.ts'],
    rules: forbid(noWorkflows, noActivities, noWorkers, [
      ['**/infra/**', '!**/infra/process/**'],
      'declare the narrow interface you need; main.ts joins it with the adapter',
      true,
    ]),
  },
  { files: ['infra/**/*.ts'], ignores: ['infra/toolchain/**'], rules: forbid(noWorkflows, noActivities, noWorkers, noApi) },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
