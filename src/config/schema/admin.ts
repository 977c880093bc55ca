/**
 * `admin_api`: who may use the admin API, on listeners with the resource `admin`. All of it is ours.
 */
import { filePath, section } from '../fields.ts';

export const adminKeys = {
  admin_api: section({
    token_path: filePath().optional().meta({
      description:
        'A file whose first line is the token. If there is no such file, a start makes one that only this user can read. The environment variable `THALAMUS_ADMIN_TOKEN` takes its place. Read again on SIGHUP.',
      example: 'admin.token',
    }),
  })
    .prefault({})
    .meta({
      description:
        'The admin API, `/_thalamus/admin/v1/`, on listeners with the resource `admin`. Whoever has its token sees the presence of everybody and can reload modules; access tokens of users are not accepted.',
    }),
};
