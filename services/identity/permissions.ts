/**
 * The permissions that come with each role, for the tokens' `permissions` claim: resource:action:scope,
 * the scope being own, assigned or any. They tell clients what to offer; services decide by the
 * contract's roles and ownership.
 */
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";

const byRole: Partial<Record<Role, readonly string[]>> = {
  [Role.RIDER]: [
    "account:read:own",
    "quote:create:own",
    "trip:create:own",
    "trip:read:own",
    "trip:cancel:own",
    "payment:read:own",
  ],
  [Role.DRIVER]: [
    "account:read:own",
    "driver:update:own",
    "location:create:own",
    "offer:answer:assigned",
    "trip:read:assigned",
    "trip:update:assigned",
    "earnings:read:own",
  ],
  [Role.ADMIN]: [
    "account:create:any",
    "account:read:any",
    "city:update:any",
    "driver:approve:any",
    "trip:read:any",
    "payment:read:any",
  ],
  [Role.SUPPORT]: ["account:read:any", "driver:read:any", "trip:read:any"],
  [Role.FLEET]: ["account:read:own", "driver:read:assigned"],
};

/** All permissions of these roles, each once. */
export function permissionsOf(roles: readonly Role[]): string[] {
  return [...new Set(roles.flatMap((role) => byRole[role] ?? []))];
}
