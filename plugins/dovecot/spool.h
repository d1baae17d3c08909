#ifndef OCS_SPOOL_H
#define OCS_SPOOL_H
#define OCS_SPOOL_DEFAULT OCS_LOCALSTATEDIR "/spool/ocsmanager"
#endif
