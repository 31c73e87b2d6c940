"""A store on a server of Redis or Valkey, which somebody else keeps."""
