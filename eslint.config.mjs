import js from '@eslint/js';
import ts from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';
import n from 'eslint-plugin-n';

/** Who may import whom: docs/architecture.md has the table, these rules keep it true. */
const forbid = (...patterns) => ({ 'no-restricted-imports': 'off', '@typescript-eslint/no-restricted-imports': ['error', { patterns }] });

/** Relative imports whose path has `folder` in it. */
const from = (folder, message, { except = '', types = false } = {}) => ({
  regex: `^\\.{1,2}/(.*/)?${folder}/${except === '' ? '' : `(?!${except})`}`,
  message,
  allowTypeImports: types,
});
const workflows = from('workflows', 'only the contract is for everybody; workflows may be imported for their types', {
  except: 'contract/',
  types: true,
});
const activities = from('activities', "activities are the orchestrator's", { types: true });
const workers = from('workers', 'workers are entry points: nothing outside them imports them');
const api = from('api', 'the api is an entry point: nothing outside it imports it');
const infra = from('infra', 'declare the narrow interface you need; main.ts joins it with the adapter');
const adapters = from('infra', 'declare the narrow interface you need; main.ts joins it with the adapter', {
  except: '(process|environments)/',
  types: true,
});
const packages = (...allowed) => ({
  regex: `^(?!\\.)(?!node:)(?!(?:${allowed.join('|')})$)`,
  message: `of packages only ${allowed.join(', ') || 'none'} may be imported here`,
});

export default ts.config(
  {
    ignores: [
      'node_modules/**',
      '.cache/**',
      'coverage/**',
      'infra/toolchain/clients/**',
      '**/*.algorithm.js',
      'infra/toolchain/demo/consumer.mjs',
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
  { files: ['test/globalSetup.ts', 'test/globalTeardown.ts', 'test/longestFirst.mjs'], rules: { 'import-x/no-default-export': 'off' } },
  {
    files: ['workflows/contract/**/*.ts'],
    rules: forbid(packages('@temporalio/workflow', '@temporalio/common'), { regex: '^\\.\\./', message: 'the contract is a leaf' }),
  },
  { files: ['workflows/*.ts'], rules: forbid(packages('@temporalio/workflow'), activities, workers, api, infra) },
  { files: ['activities/**/*.ts'], rules: forbid(packages('@temporalio/activity'), workflows, workers, api, infra) },
  {
    files: ['workers/agent/**/*.ts'],
    rules: forbid(
      packages('re2js'),
      from('gateway', 'the agent takes types from the protocol, no code', { types: true }),
      workflows,
      activities,
      api,
      infra,
    ),
  },
  { files: ['workers/gateway/**/*.ts'], ignores: ['**/main.ts', '**/config.ts'], rules: forbid(workflows, activities, api, adapters) },
  { files: ['workers/orchestrator/**/*.ts'], ignores: ['**/main.ts', '**/config.ts'], rules: forbid(workflows, api, adapters) },
  { files: ['api/**/*.ts'], ignores: ['**/main.ts', '**/config.ts'], rules: forbid(workflows, activities, workers, adapters) },
  { files: ['infra/**/*.ts'], ignores: ['infra/toolchain/**'], rules: forbid(workflows, activities, workers, api) },
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
