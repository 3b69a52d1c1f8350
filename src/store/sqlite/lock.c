#include "sqlite_store.h"

nst_sqlite_store *nst_sqlite_self(nst_store *store) {
  return (nst_sqlite_store *)(void *)store;
}

nst_db *nst_sqlite_lock_writer(nst_store *store) {
  nst_db *db = &nst_sqlite_self(store)->writer;
  (void)pthread_mutex_lock(&db->lock);
  return db;
}

nst_db *nst_sqlite_lock_reader(nst_store *store) {
  nst_db *db = &nst_sqlite_self(store)->reader;
  (void)pthread_mutex_lock(&db->lock);
  return db;
}

nst_db *nst_sqlite_lock_viewer(nst_store *store) {
  nst_db *db = &nst_sqlite_self(store)->viewer;
  (void)pthread_mutex_lock(&db->lock);
  return db;
}

nst_status nst_sqlite_unlock(nst_db *db, nst_status status) {
  (void)pthread_mutex_unlock(&db->lock);
  return status;
}
